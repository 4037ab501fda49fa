#!/usr/bin/env python3
"""A strict double of `whmapi1`, the command line of WHM API 1: it stands for what only a licensed panel has.

It takes the functions for certificates of services that are publicly documented, answers in their documented shape,
refuses what does not fit, and really installs the files, with an owner and a mode each; like the panel's it restarts
nothing. It is one file that needs Python's own library and openssl: put it at `ROOT/usr/local/cpanel/bin/whmapi1`, and
it works below ROOT, on a lab host below `/`. What it was asked stands in `ROOT/var/cpanel/whmapi1.calls`, a line each:
function, service, and whether the values came on standard input or as arguments.

Of the panel's own program it knows no more than that: it is no copy of it, and its words for refusals are its own.
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

ROOT: Final = Path(__file__).resolve().parents[4]
FOLDER: Final = ROOT / "var/cpanel/ssl"
CALLS: Final = ROOT / "var/cpanel/whmapi1.calls"
USAGE: Final = """\
usage: whmapi1 [--help] [--output=json] [--input=json] FUNCTION [KEY=VALUE …]
  --output=json  answer as JSON, which is all that is known here
  --input=json   read the values as a JSON object from standard input
"""
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n[A-Za-z0-9+/=\n]+?-----END \1-----")


class Refused(Exception):
    """Why a function was not carried out: the reason that stands in its answer."""


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
    """Answer one call."""
    options = [one for one in arguments if one.startswith("--")]
    words = [one for one in arguments if not one.startswith("--")]
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
    """Return the values of a call, from where it was said that they come from."""
    if any("=" not in word for word in words):
        raise Refused("an argument is no KEY=VALUE")
    found = {key: unquote_plus(value) for key, _, value in (word.partition("=") for word in words)}
    if is_input:
        try:
            read = json.load(sys.stdin)
        except ValueError:
            raise Refused("standard input holds no JSON") from None
        if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
            raise Refused("standard input holds no object of texts")
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
    """Return what is said of a certificate; of its end both forms were seen."""
    said = _openssl(certificate, "x509", "-noout", "-text", "-dates", "-issuer", "-subject", "-nameopt", "RFC2253")
    end = datetime.strptime(_of(r"^notAfter=(.*) GMT", said), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    begin = datetime.strptime(_of(r"^notBefore=(.*) GMT", said), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    issuer = _of(r"^issuer=(.*)", said)
    bits = _of(r"Public-Key: \((\d+) bit", said)
    return {
        "domains": re.findall(r"DNS:([^,\s]+)", said),
        "is_self_signed": int(issuer == _of(r"^subject=(.*)", said)),
        "issuer.commonName": _of(r"(?:^|,)CN=([^,]*)", issuer),
        "issuer.organizationName": _of(r"(?:^|,)O=([^,]*)", issuer),
        "key_algorithm": _of(r"Public Key Algorithm: (\S+)", said),
        "modulus_length": int(bits or 0),
        "not_before": int(begin.timestamp()) if is_number else str(int(begin.timestamp())),
        "not_after": int(end.timestamp()) if is_number else str(int(end.timestamp())),
    }


def _of(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else ""


def install(given: Mapping[str, str]) -> object:
    """Install certificate, key and bundle for a service, where they fit."""
    service = _service(given)
    certificate = _one(given, "crt", "CERTIFICATE")
    key = _one(given, "key", "PRIVATE KEY")
    bundle = _blocks(given.get("cabundle", ""), "cabundle", "CERTIFICATE")
    for each in (certificate, *bundle):
        _openssl(each, "x509", "-noout")
    of_certificate = _openssl(certificate, "x509", "-noout", "-pubkey")
    if _openssl(key, "pkey", "-passin", "pass:", "-pubout") != of_certificate:
        raise Refused("the key does not belong to the certificate")
    _write(service, {"k": key, "l": certificate, "c": "\n".join(bundle)})
    return {"service": service, "certificate_info": _info(certificate, is_number=True)}


def reset(given: Mapping[str, str]) -> object:
    """Install a certificate for a service that signs itself."""
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
    """Return the blocks of a text that has to be nothing but blocks of a kind."""
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
    """Give a file away, where there is somebody of that name and we may."""
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
    done = subprocess.run(["openssl", *arguments], input=pem, capture_output=True, text=True, check=False)
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
