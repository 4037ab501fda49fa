"""Reads which certificates the files of a case hold now, as the host reads them.

What is served is observed by wire_check.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.pem import certificates_in
from remediate.cpanel.service_files import installed_path
from remediate.execution.case_context import CaseContext
from remediate.execution.steps.base import require_success
from remediate.hosts import script


def leaves_on_disk(context: CaseContext) -> Mapping[str, Certificate]:
    """Return the leaf in each certificate file of a case, read once until a step changes them; raises StepBlocked."""
    if context.on_disk is None:
        paths = sorted({file.path for file in context.case.files if file.kind == "certificate"})
        asked = (*paths, *filter(None, map(installed_path, paths)))
        command = context.workdir.read_only("look at the certificates on disk", script("leaves_on_disk"), *asked)
        found = _read(require_success(context, command).output, asked)
        now = {path: leaf for path in paths if (leaf := _in_force(path, found))}
        context.on_disk = leaves_found(context) | now
    return context.on_disk


def leaves_found(context: CaseContext) -> dict[str, Certificate]:
    """Return what discovery found in the files: DER files are read only there."""
    paths = {file.path for file in context.case.files if file.kind == "certificate"}
    files = [file for server in context.servers for file in server.files if file.path in paths and file.chain_der]
    return {file.path: read_certificate(file.chain_der[0]) for file in files}


def _in_force(path: str, found: Mapping[str, Certificate]) -> Certificate | None:
    """Return the leaf that a service reads in place of this file: the panel may have installed another file."""
    return found.get(installed_path(path) or path) or found.get(path)


def _read(output: str, paths: Sequence[str]) -> dict[str, Certificate]:
    """Return the leaf of each path: its number stands before what was printed of it."""
    found: dict[str, Certificate] = {}
    for part in output.split("== ")[1:]:
        number, _, text = part.partition("\n")
        try:
            leaves = certificates_in(text)
            path = paths[int(number) - 1]
        except (ValueError, IndexError):
            continue
        if leaves:
            found[path] = read_certificate(leaves[0])
    return found
