"""Reads the certificate, chain and key files of a host, all by one command.

A host sends owners, modes, ACLs, certificates and the digest of each key's SPKI, never the bytes of a key.
`audit/host/shell/files.sh` describes how it reads a file that another user can replace.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from audit.host.script import filled, shell_text
from audit.observation import FileFault, InstalledFile
from audit.services.model import CertificateFacts, NamedFile, Section
from audit.x509.certificate import read_certificate
from audit.x509.loading import UnreadableField
from audit.x509.pem import certificate_blocks

PER_COMMAND: Final = 300  # files; eight processes each, and a command line holds 128 KiB (MAX_ARG_STRLEN)

FILE_BYTES: Final = 1_048_576  # of a file that is read; the largest bundle of a distribution has some 250 KB

_ACL_FIELDS: Final = 3  # kind, name and rights
_FAULTS: Final[tuple[FileFault, ...]] = ("directory", "denied", "empty")


def file_functions() -> str:
    """Return the shell functions with which a host inspects files."""
    return filled(shell_text("files"), FILE_BYTES=FILE_BYTES)


def look_at(files: Iterable[NamedFile]) -> Iterator[str]:
    """Yield the script lines that inspect the files: one for each path, with all its uses."""
    for path, use in _uses(files).items():
        yield f"section {section_of(path)} look {use} {shlex.quote(path)}\n"


def request_for(files: Iterable[NamedFile]) -> tuple[str, ...]:
    """Return the request to a collector for the same files; a path with a line end cannot be requested."""
    uses = ((path, use) for path, use in _uses(files).items() if path.startswith("/") and path.isprintable())
    return tuple(f"file {section_of(path).removeprefix('file.')} {use} {path}" for path, use in uses)


def section_of(path: str) -> str:
    """Return the name of the section about a path: one word for any path."""
    return f"file.{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


def _uses(files: Iterable[NamedFile]) -> dict[str, str]:
    uses: dict[str, str] = {}
    for file in files:
        use = "k" if file.kind == "key" else "c"
        uses[file.path] = "".join(sorted({*uses.get(file.path, ""), use}))
    return uses


def read_file(
    file: NamedFile, sections: Mapping[str, Section], why_missing: str = "the host did not report it"
) -> InstalledFile:
    """Return a file as the host reported it; a file that is missing in its output is denied, with the reason."""
    section = sections.get(section_of(file.path))
    if section is None:
        return InstalledFile(file.path, file.kind, fault="denied", detail=why_missing)
    lines = section.text.partition("-----BEGIN")[0].split("\n")
    words = {line.partition(" ")[0]: line.partition(" ")[2] for line in lines if not line.startswith("folder ")}
    mode, owner, group, _ = [*words.get("stat", "").split(" ", 3), "", "", "", ""][:4]
    mode = mode if re.fullmatch(r"[0-7]{1,5}", mode) else ""
    fault, detail = _fault(file, words)
    chain, bad = _certificates(section.text) if file.kind != "key" else ((), False)
    if fault is None and file.kind != "key" and (bad or not chain):
        fault, detail = "unparseable", "a certificate in it is truncated" if bad else "there is no certificate in it"
    return InstalledFile(
        file.path, file.kind, words.get("real") or None, owner or None, group or None, int(mode, 8) if mode else None,
        chain, _digest(file, words), fault, detail, _open_folder(lines), _acl(lines),
    )  # fmt: skip


def _digest(file: NamedFile, words: Mapping[str, str]) -> str | None:
    digest = words.get("key", "")
    return digest if file.kind == "key" and re.fullmatch(r"[0-9a-f]{64}", digest) else None


def _fault(file: NamedFile, words: Mapping[str, str]) -> tuple[FileFault | None, str]:
    if "closed" in words:
        return "denied", f"the login may not search {words['closed']}"
    if "missing" in words:
        return "missing", f"it is a link to {words['dangling']}" if "dangling" in words else ""
    if "special" in words:
        return "not-regular", f"it is a {words['stat'].split(' ', 3)[3]}" if words.get("stat", "").count(
            " "
        ) > 2 else ""
    if "large" in words:
        return "too-large", f"it has {words['large']} bytes (limit {FILE_BYTES})"
    if "refused" in words:
        return "denied", f"root does not read it: {words['refused']}"
    if "unreadable" in words:
        return "denied", f"its directory's owner may not read it, and root does not: {words['unreadable']}"
    for fault in _FAULTS:
        if fault in words:
            return fault, "the login may not read it" if fault == "denied" else ""
    if file.kind != "key":
        return None, ""
    state = words.get("key", "")
    return {
        "prompted": ("prompted", "the key is encrypted, and its service prompts a person for the passphrase"),
        "encrypted": ("encrypted", "the key is encrypted, and the audit has no passphrase"),
        "none": ("unparseable", "there is no private key in it"),
        "unparseable": ("unparseable", "openssl cannot read the key in it"),
        "no-openssl": (None, "there is no openssl on the host to take the key's digest"),
    }.get("prompted" if file.is_prompted and state == "encrypted" else state, (None, ""))  # type: ignore[return-value]  # literals in a table are plain str


def _certificates(text: str) -> tuple[tuple[bytes, ...], bool]:
    """Return the certificates in the order of the file, and whether any block is empty, not base64 or has no end."""
    blocks = certificate_blocks(text)
    return tuple(filter(None, blocks)), text.count("-----BEGIN") > len(blocks) or not all(blocks)


def certificate_facts(file: InstalledFile) -> CertificateFacts:
    """Return the names and the type of key of the leaf in a file; none if they cannot be read."""
    try:
        leaf = read_certificate(file.chain_der[0])
        names = (*leaf.dns_names, leaf.subject_common_name or "")
        return CertificateFacts(tuple(name.lower() for name in names if name), leaf.key.kind)
    except (IndexError, UnreadableField):
        return CertificateFacts()


def _open_folder(lines: Iterable[str]) -> str | None:
    """Return the nearest directory above a file in which users other than its owner may replace files.

    A sticky directory is not open: a user may replace only its own files in it. A group other than root's counts as
    other users. With an ACL, the group's bits are also those of named users and groups.
    """
    for line in lines:
        match = re.fullmatch(r"folder (?P<mode>[0-7]+) \d+ (?P<group>\d+) (?P<acl>[+-]) (?P<path>.+)", line)
        if not match:
            continue
        mode = int(match["mode"], 8)
        by_group = mode & 0o020 and (match["group"] != "0" or match["acl"] == "+")
        if (mode & 0o002 or by_group) and not mode & 0o1000:
            return match["path"]
    return None


def _acl(lines: Iterable[str]) -> tuple[str, ...] | None:
    """Return the rights that an ACL gives to its named users and groups and to the file's group, after the mask."""
    entries = [line.removeprefix("acl ").split(":") for line in lines if line.startswith("acl ")]
    if any(len(entry) != _ACL_FIELDS for entry in entries):
        return None
    mask = next((rights for kind, _, rights in entries if kind == "mask"), "rwx")
    return tuple(
        f"{kind}:{name}:{''.join(right if right in mask else '-' for right in rights)}"
        for kind, name, rights in entries
        if kind == "group" or (kind == "user" and name)
    )


def missing_rights(files: Iterable[InstalledFile]) -> tuple[str, ...]:
    """Return one message per file that could not be read because a right is missing, or that is too large.

    A file without a fault has a detail only if there is no openssl for its key's digest.
    """
    return tuple(
        dict.fromkeys(
            f"{file.path}: {file.detail}"
            for file in files
            if file.fault in ("denied", "too-large") or (file.fault is None and file.detail)
        )
    )
