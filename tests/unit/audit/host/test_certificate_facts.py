"""Tests of the names and the type of key that a file gives to a service that selects by certificate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.host.files import certificate_facts
from audit.observation import InstalledFile
from audit.services.model import CertificateFacts
from tests.support.x509.certificates import leaf


def installed(*chain: bytes) -> InstalledFile:
    return InstalledFile("/c/a.pem", "certificate", chain_der=chain)


def test_names_are_those_of_the_leaf_and_its_common_name_in_lower_case() -> None:
    draft = replace(leaf(), subject="CN=Old.Example.com", names=("A.example.com", "*.example.com"))
    expected = CertificateFacts(("a.example.com", "*.example.com", "old.example.com"), "EC")
    assert certificate_facts(installed(draft.der, leaf("above.example.com").der)) == expected


@pytest.mark.parametrize("chain", [(), (b"no certificate",)])
def test_file_without_a_readable_certificate_has_no_names(chain: tuple[bytes, ...]) -> None:
    assert certificate_facts(installed(*chain)) == CertificateFacts()
