"""Tests of the fields of a certificate at the limits of what RFC 5280 allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from audit.x509.certificate import read_certificate
from audit.x509.fields import lifetime
from tests.support.endpoint_facts import GOOD, certificate
from tests.support.x509.paths import field_replaced, new_leaf, new_root, tlv

LEAF = new_leaf(new_root())


def test_serial_number_one_is_read() -> None:
    assert read_certificate(replace(LEAF, serial=1).der).serial == 1


@pytest.mark.parametrize(("content", "number"), [(b"\0", 0), (b"\xff", -1)])
def test_serial_number_that_is_not_positive_is_unreadable(content: bytes, number: int) -> None:
    facts = read_certificate(LEAF.edited(field_replaced(1, tlv(0x02, content))).der)
    assert not facts.has_readable("serial")
    assert [fault.reason for fault in facts.faults if fault.place == "serialNumber"] == [f"{number} is not positive"]


def test_certificate_that_ends_when_it_begins_lives_one_second() -> None:
    facts = certificate(GOOD.lasting(timedelta(seconds=1)))
    assert facts.not_before == facts.not_after
    assert (facts.lifetime, facts.faults) == (timedelta(seconds=1), ())
    assert lifetime(x509.load_der_x509_certificate(facts.der)) == timedelta(seconds=1)
