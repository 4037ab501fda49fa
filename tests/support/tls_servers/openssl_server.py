"""Servers of the openssl program of the machine: configurations with their truth, and how one starts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.observation.tls_registry import TLS10, TLS11, TLS12, TLS13
from tests.support.probe.tls_servers import s_server
from tests.support.tls_servers.truth import Truth

_X25519, _P256, _P384, _X448 = 29, 23, 24, 30


@dataclass(frozen=True, slots=True)
class Configuration:
    """The options of `openssl s_server`, and what they mean. `dh_group` is that of its parameters for DHE."""

    name: str
    options: tuple[str, ...]
    truth: Truth
    dh_group: str = ""


_STRONG: Final = (0xC02F, 0xC030, 0xCCA8)
_STRONG_NAMES: Final = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"
_OLD: Final = (0x0041, 0x0035, 0x002F)

CONFIGURATIONS: Final = (
    Configuration(
        "intermediate",
        (
            *("-no_tls1", "-no_tls1_1", "-serverpref", "-cipher", _STRONG_NAMES, "-groups", "X25519:P-256"),
            *("-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"),
        ),
        Truth({TLS12: _STRONG, TLS13: (0x1301, 0x1302)}, prefers_own_order=True, groups=(_X25519, _P256)),
    ),
    Configuration(
        "order-of-client",
        ("-no_tls1", "-no_tls1_1", "-no_tls1_3", "-cipher", _STRONG_NAMES, "-groups", "P-256"),
        Truth({TLS12: _STRONG}, prefers_own_order=False, groups=(_P256,)),
    ),
    Configuration(
        "modern",
        ("-tls1_3", "-serverpref", "-groups", "P-384:X448", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
        Truth({TLS13: (0x1303,)}, prefers_own_order=True, groups=(_P384, _X448)),
    ),
    Configuration(
        "old",
        (
            *("-no_tls1_3", "-serverpref", "-no_ticket", "-no_etm"),
            *("-cipher", "CAMELLIA128-SHA:AES256-SHA:AES128-SHA:@SECLEVEL=0"),
        ),
        Truth(
            dict.fromkeys((TLS10, TLS11, TLS12), _OLD),
            prefers_own_order=True,
            has_encrypt_then_mac=False,
            has_tickets=False,
        ),
    ),
    Configuration(
        "small-dhe",
        ("-tls1_2", "-serverpref", "-cipher", "DHE-RSA-AES256-SHA256:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"),
        Truth({TLS12: (0x006B, 0x009E)}, prefers_own_order=True, dhe_bits=1536),
        dh_group="modp_1536",
    ),
    Configuration(
        "no-encryption",
        ("-tls1_2", "-serverpref", "-cipher", "NULL-SHA256:AECDH-NULL-SHA:@SECLEVEL=0", "-groups", "P-384"),
        Truth({TLS12: (0x003B, 0xC015)}, prefers_own_order=True, groups=(_P384,)),
    ),
)


@contextmanager
def serving(configuration: Configuration, folder: Path) -> Iterator[int]:
    """Start the server with a new certificate of RSA, and yield its port of 127.0.0.1; it ends with the context."""
    key, certificate, parameters = folder / "key.pem", folder / "certificate.pem", folder / "dh.pem"
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-keyout", key, "-out", certificate)
    options: list[str | Path] = [*configuration.options, "-cert", certificate, "-key", key]
    if configuration.dh_group:
        group = f"group:{configuration.dh_group}"
        _openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", group, "-out", parameters)
        options += ["-dhparam", parameters]
    with s_server(*options) as port:
        yield port


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
