"""Reads the certificates in the files of a case on its host; wire_check.py observes the served certificates."""

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
        with_installed = (*paths, *filter(None, map(installed_path, paths)))
        command = context.workdir.read_only(
            "read the certificates on disk", script("inspect/installed_leaves"), *with_installed
        )
        by_path = _read(require_success(context, command).output, with_installed)
        effective = {path: leaf for path in paths if (leaf := _effective_leaf(path, by_path))}
        context.on_disk = leaves_found(context) | effective
    return context.on_disk


def leaves_found(context: CaseContext) -> dict[str, Certificate]:
    """Return the leaves that discovery found in the files; only discovery reads DER files."""
    paths = {file.path for file in context.case.files if file.kind == "certificate"}
    files = [file for server in context.servers for file in server.files if file.path in paths and file.chain_der]
    return {file.path: read_certificate(file.chain_der[0]) for file in files}


def _effective_leaf(path: str, leaves: Mapping[str, Certificate]) -> Certificate | None:
    """Return the leaf that a service uses for this path; the panel may have installed another file for it."""
    return leaves.get(installed_path(path) or path) or leaves.get(path)


def _read(output: str, paths: Sequence[str]) -> dict[str, Certificate]:
    """Return the leaf of each path; in the output, the number of the path comes before its certificates."""
    leaves: dict[str, Certificate] = {}
    for part in output.split("== ")[1:]:
        number, _, text = part.partition("\n")
        try:
            certificates = certificates_in(text)
            path = paths[int(number) - 1]
        except (ValueError, IndexError):
            continue
        if certificates:
            leaves[path] = read_certificate(certificates[0])
    return leaves
