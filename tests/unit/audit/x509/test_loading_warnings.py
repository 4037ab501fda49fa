"""Tests of certificates about which the library warns: they are read without a warning, in any number of threads."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509

from audit.host.certificate_owner import is_snakeoil
from audit.observation import InstalledFile
from audit.x509.certificate import read_certificate
from audit.x509.der import elements
from tests.support.endpoint_facts import GOOD

SNAKEOIL = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
READ_EACH = 300


@pytest.fixture
def _switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def with_negative_serial(number: int) -> bytes:
    """Return a certificate that no other number gives; its signature is not valid."""
    (certificate,) = elements(GOOD.der)
    serial = elements(elements(certificate.content)[0].content)[1].content
    negative = bytes((0x91,)) + serial[1:]
    return GOOD.der.replace(serial, negative, 1)[:-3] + number.to_bytes(3)


def read_by_two_ways(first: int) -> int:
    """Return how many certificates were read as expected: by names and times, and as a placeholder of a host."""
    ders = [with_negative_serial(number) for number in range(first, first + READ_EACH)]
    readable = sum(
        certificate.is_path_member and len(certificate.faults) == 1 for certificate in map(read_certificate, ders[::2])
    )
    placeholders = [InstalledFile(SNAKEOIL, "certificate", chain_der=(der,)) for der in ders[1::2]]
    return readable + sum(not is_snakeoil([file]) for file in placeholders)


def test_certificate_with_negative_serial_number_warns_in_the_library() -> None:
    with pytest.warns(UserWarning, match="serial number"):
        x509.load_der_x509_certificate(with_negative_serial(0))


@pytest.mark.usefixtures("_switching_often")
def test_reading_in_many_threads_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(read_by_two_ways, range(1, 8 * READ_EACH, READ_EACH))) == [READ_EACH] * 8
        assert warnings.filters == filters
