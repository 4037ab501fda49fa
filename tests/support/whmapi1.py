#!/usr/bin/env python3
"""A strict double of `whmapi1`, the command line of WHM API 1, because the real one needs a licensed panel.

It has the documented functions for certificates of services, prints responses of the documented shape, and refuses
invalid calls. It installs the files with owners and modes, and like the panel's program it restarts nothing.
It is one file that needs the standard library and openssl. At `ROOT/usr/local/cpanel/bin/whmapi1` it works below ROOT,
on a lab host below `/`. It appends a line to `ROOT/var/cpanel/whmapi1.calls` for each call: function, service, and
whether the values came on standard input or as arguments.

It is not a copy of the panel's program, and the texts of its refusals are its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_plus

_PARENTS: Final = Path(__file__).resolve().parents
ROOT: Final = _PARENTS[min(4, len(_PARENTS) - 1)]  # of the host on which this program is installed; tests import it too
FOLDER: Final = ROOT / "var/cpanel/ssl"
CALLS: Final = ROOT / "var/cpanel/whmapi1.calls"
USAGE: Final = """\
usage: whmapi1 [--help] [--output=json] [--input=json] FUNCTION [KEY=VALUE …]
  --output=json  answer as JSON, which is all that is known here
  --input=json   read the values as a JSON object from standard input
"""
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n[A-Za-z0-9+/=\n]+?-----END \1-----")


class Refused(Exception):
    """A function was refused; the reason is printed in the response."""


@dataclass(frozen=True)
class Kept:
    """A file of a service: `k` key, `l` certificate, `c` bundle; `my` is what its name begins with once installed."""

    path: str
    parts: str
    owner: str
    group: str
    mode: int
    prefix: str = ""


FILES: Final[Mapping[str, tuple[Kept, ...]]] = {
    "cpanel": (Kept("cpanel/cpanel.pem", "klc", "cpanel", "cpanel", 0o640, "my"),),
    "dovecot": (
        Kept("dovecot/dovecot.key", "k", "root", "wheel", 0o640),
        Kept("dovecot/dovecot.crt", "lc", "root", "wheel", 0o644),
    ),
    "exim": (
        Kept("exim/exim.key", "k", "mailnull", "mail", 0o640),
        Kept("exim/exim.crt", "lc", "mailnull", "mail", 0o644),
    ),
    "ftp": (
        Kept("ftp/pure-ftpd.pem", "klc", "root", "wheel", 0o640),
        Kept("ftp/ftpd-rsa-key.pem", "k", "root", "wheel", 0o640),
        Kept("ftp/ftpd-rsa.pem", "lc", "root", "wheel", 0o644),
    ),
}


def main(arguments: list[str]) -> int:
    """Handle one call."""
    options = [argument for argument in arguments if argument.startswith("--")]
    words = [argument for argument in arguments if not argument.startswith("--")]
    if "--help" in options:
        sys.stdout.write(USAGE)
        return 0
    unknown = set(options) - {"--output=json", "--input=json"}
    if unknown or not words or "--output=json" not in options:
        sys.stderr.write(f"{USAGE}{' '.join(sorted(unknown))}\n")
        return 2
    function, *rest = words
    try:
        given = _given(rest, is_input="--input=json" in options)
        _note(function, given, "--input=json" in options)
        data, reason, result = _carried_out(function, given), "OK", 1
    except Refused as why:
        data, reason, result = {}, str(why), 0
    metadata = {"command": function, "reason": reason, "result": result, "version": 1}
    json.dump({"data": data, "metadata": metadata}, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")
    return 0 if result else 1


def _given(words: list[str], *, is_input: bool) -> dict[str, str]:
    """Return the values of a call, from its arguments or its input."""
    if any("=" not in word for word in words):
        raise Refused("an argument is not KEY=VALUE")
    found = {key: unquote_plus(value) for key, _, value in (word.partition("=") for word in words)}
    if is_input:
        try:
            read = json.load(sys.stdin)
        except ValueError:
            raise Refused("standard input is not JSON") from None
        if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
            raise Refused("standard input is not an object of texts")
        found |= read
    return found


def _note(function: str, given: Mapping[str, str], is_input: bool) -> None:  # noqa: FBT001 - one of two words
    how = "input" if is_input else "arguments"
    with CALLS.open("a") as calls:
        calls.write(f"{function} {given.get('service', '-')} {how}\n")


def _carried_out(function: str, given: Mapping[str, str]) -> object:
    if os.geteuid() != ROOT.stat().st_uid:
        raise Refused("the API is root's")
    if function not in FUNCTIONS:
        raise Refused(f"there is no function {function}")
    known = FUNCTIONS[function][1]
    if strange := given.keys() - known - {"api.version"}:
        raise Refused(f"{function} takes no {min(strange)}")
    return FUNCTIONS[function][0](given)


def fetch(_given: Mapping[str, str]) -> object:
    """Return what is installed for each service, its key too."""
    return {"services": [_component(service) for service in FILES]}


def _component(service: str) -> dict[str, object]:
    text = "".join(path.read_text() for path in map(_current, FILES[service][:2]) if path.exists())
    blocks = [(match[1], match[0]) for match in _PEM.finditer(text)]
    key = next((pem for kind, pem in blocks if kind.endswith("PRIVATE KEY")), None)
    certificates = [pem for kind, pem in blocks if kind == "CERTIFICATE"]
    if not certificates:
        return {"service": service, "certificate": None, "key": None, "cabundle": "", "certificate_info": None}
    bundle = "\n".join(certificates[1:])
    info = _info(certificates[0], is_number=service == "cpanel")
    return {
        "service": service, "certificate": certificates[0], "key": key, "cabundle": bundle, "certificate_info": info,
    }  # fmt: skip


def _info(certificate: str, *, is_number: bool) -> dict[str, object]:
    """Return the description of a certificate; the panel prints its end in two forms."""
    text = _openssl(certificate, "x509", "-noout", "-text", "-dates", "-issuer", "-subject", "-nameopt", "RFC2253")
    end = datetime.strptime(_of(r"^notAfter=(.*) GMT", text), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    begin = datetime.strptime(_of(r"^notBefore=(.*) GMT", text), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    issuer = _of(r"^issuer=(.*)", text)
    bits = _of(r"Public-Key: \((\d+) bit", text)
    return {
        "domains": re.findall(r"DNS:([^,\s]+)", text),
        "is_self_signed": int(issuer == _of(r"^subject=(.*)", text)),
        "issuer.commonName": _of(r"(?:^|,)CN=([^,]*)", issuer),
        "issuer.organizationName": _of(r"(?:^|,)O=([^,]*)", issuer),
        "key_algorithm": _of(r"Public Key Algorithm: (\S+)", text),
        "modulus_length": int(bits or 0),
        "not_before": int(begin.timestamp()) if is_number else str(int(begin.timestamp())),
        "not_after": int(end.timestamp()) if is_number else str(int(end.timestamp())),
    }


def _of(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else ""


def install(given: Mapping[str, str]) -> object:
    """Install certificate, key and bundle for a service, if they match."""
    service = _service(given)
    certificate = _one(given, "crt", "CERTIFICATE")
    key = _one(given, "key", "PRIVATE KEY")
    bundle = _blocks(given.get("cabundle", ""), "cabundle", "CERTIFICATE")
    for block in (certificate, *bundle):
        _openssl(block, "x509", "-noout")
    of_certificate = _openssl(certificate, "x509", "-noout", "-pubkey")
    if _openssl(key, "pkey", "-passin", "pass:", "-pubout") != of_certificate:
        raise Refused("the key does not belong to the certificate")
    _write(service, {"k": key, "l": certificate, "c": "\n".join(bundle)})
    return {"service": service, "certificate_info": _info(certificate, is_number=True)}


def reset(given: Mapping[str, str]) -> object:
    """Install a self-signed certificate for a service."""
    service = _service(given)
    host = os.uname().nodename
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key"), Path(folder, "certificate")
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365", "-subj", f"/CN={host}"]
        alternatives = ["-addext", f"subjectAltName=DNS:{host}"]
        subprocess.run([*argv, *alternatives, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        parts = {"k": key.read_text().strip(), "l": certificate.read_text().strip(), "c": ""}
    for kept in FILES[service]:
        if kept.prefix:
            _named(kept).unlink(missing_ok=True)
    _write(service, parts, is_own=True)
    return {"service": service}


def _service(given: Mapping[str, str]) -> str:
    service = given.get("service", "")
    if service not in FILES:
        raise Refused(f"there is no service {service!r}")
    return service


def _one(given: Mapping[str, str], name: str, kind: str) -> str:
    blocks = _blocks(given.get(name, ""), name, kind)
    if len(blocks) != 1:
        raise Refused(f"{name} has to be one {kind}, and is {len(blocks)}")
    return blocks[0]


def _blocks(text: str, name: str, kind: str) -> list[str]:
    """Return the blocks of a text, which may contain only blocks of one kind."""
    if "\r" in text or _PEM.sub("", text).strip():
        raise Refused(f"{name} is no PEM")
    found = [(match[1], match[0]) for match in _PEM.finditer(text)]
    if any(not label.endswith(kind) for label, _ in found):
        raise Refused(f"{name} holds something else than a {kind}")
    return [block for _, block in found]


def _write(service: str, parts: Mapping[str, str], *, is_own: bool = False) -> None:
    """Write the files of a service, one after the other, each by a rename."""
    for number, kept in enumerate(FILES[service]):
        if os.environ.get("WHMAPI1_DIES_AFTER") == str(number):
            os.kill(os.getpid(), 9)
        path = FOLDER / kept.path if is_own else _named(kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.touch(mode=0o600)
        new.write_text("".join(f"{parts[part]}\n" for part in kept.parts if parts[part]))
        for owner, group in ((kept.owner, None), (None, kept.group)):
            _give(new, owner, group)
        new.chmod(kept.mode)
        new.rename(path)


def _give(path: Path, owner: str | None, group: str | None) -> None:
    """Change the owner of a file, if the user exists and the program may."""
    try:
        if owner:
            shutil.chown(path, user=owner)
        elif group:
            shutil.chown(path, group=group)
    except (LookupError, PermissionError):
        return


def _named(kept: Kept) -> Path:
    path = FOLDER / kept.path
    return path.with_name(kept.prefix + path.name)


def _current(kept: Kept) -> Path:
    return _named(kept) if _named(kept).exists() else FOLDER / kept.path


def _openssl(pem: str, *arguments: str) -> str:
    environment = {**os.environ, "SSL_CERT_FILE": os.devnull}  # it would read all CA certificates of the host first
    argv = ["openssl", *arguments]
    done = subprocess.run(argv, input=pem, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise Refused(f"openssl {arguments[0]} cannot read what was given")
    return done.stdout


Function = Callable[[Mapping[str, str]], Any]
FUNCTIONS: Final[Mapping[str, tuple[Function, frozenset[str]]]] = {
    "fetch_service_ssl_components": (fetch, frozenset()),
    "install_service_ssl_certificate": (install, frozenset({"service", "crt", "key", "cabundle"})),
    "reset_service_ssl_certificate": (reset, frozenset({"service"})),
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
