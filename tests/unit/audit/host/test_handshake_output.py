"""Tests of what the openssl of a host prints about a handshake: the SCTs and the stapled OCSP response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest

from audit.endpoint import parse_endpoint
from audit.host.handshake import HostInside
from audit.host.login import Host
from audit.host.script import Script
from audit.observation import Handshake
from audit.probe.target import InsidePlace
from audit.services.model import Section
from tests.support.local_files import certificate

BEGIN = "CONNECTED(00000003)\n"
END = f"---\nCertificate chain\n{certificate().decode()}New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\n"


def extension(number: int, *lines: str, size: int) -> str:
    """Return an extension as openssl prints it."""
    return "\n".join((f'TLS server extension "a name" (id={number}), len={size}', *lines, ""))


VERSIONS = extension(43, "0000 - 03 04                                             ..", size=2)
OCTETS = bytes(range(0x10, 0x24))
FULL, REST = "0000 - 10 11 12 13 14 15 16 17-18 19 1a 1b 1c 1d 1e 1f", "0010 - 20 21 22 23"
SCTS = extension(18, f"{FULL}   ................", f"{REST}                                        12 34", size=20)
BARE = extension(18, FULL, REST, size=20)
CUT = extension(18, FULL, REST, size=21)
OTHER = extension(18, "0000 - ff", size=1)
EMPTY = extension(5, size=0)
STATUS = extension(5, "0000 - 01 00 00 02 aa bb                                 ......", size=6)
RESPONSE = "OCSP response: \nOCSP Response Data:\n    OCSP Response Status: successful (0x0)\n"
NO_RESPONSE = "OCSP response: no response sent\n"


class PrintingHost:
    """A host whose openssl prints the same text in each handshake."""

    def __init__(self, text: str) -> None:
        """Take the text."""
        self._text = text

    def run(self, script: Script) -> Mapping[str, Section]:
        """Return the text for each handshake of a script."""
        return {line.split()[1]: Section(self._text) for line in script.request or ()}


@pytest.mark.parametrize(
    ("printed", "sct_list", "staple"),
    [
        (NO_RESPONSE, None, None),
        (VERSIONS + NO_RESPONSE, b"", None),
        (VERSIONS + SCTS + NO_RESPONSE, OCTETS, None),
        (BARE + NO_RESPONSE, OCTETS, None),
        (SCTS + OTHER + NO_RESPONSE, OCTETS, None),
        (CUT + NO_RESPONSE, None, None),
        (STATUS + SCTS + RESPONSE, OCTETS, b"\xaa\xbb"),
        (EMPTY + RESPONSE, b"", b""),
        (EMPTY + NO_RESPONSE, b"", None),
    ],
)
def test_scts_and_staple_are_those_that_openssl_prints(
    printed: str, sct_list: bytes | None, staple: bytes | None
) -> None:
    place = InsidePlace(parse_endpoint("https://www.example.com"), "127.0.0.1")
    (shown,) = HostInside(cast("Host", PrintingHost(BEGIN + printed + END))).observe_handshakes([place])[place]
    assert isinstance(shown, Handshake)
    assert (shown.sct_list, shown.ocsp_der) == (sct_list, staple)
