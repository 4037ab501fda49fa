"""The step `fetch`: the intermediates of a certificate in use are available.

The step searches several sources, the nearest first. Everything found is hostile input: `pki/issued_chain.py` selects
the intermediates to send. The certificate and its key are not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from audit.analysis.chains import expires_before_leaf
from audit.analysis.installed_files import bundles
from audit.probe.http.fetch import Unfetched
from audit.text import join_clauses
from audit.x509.algorithms import is_signed_by
from audit.x509.certificate import Certificate, path_members, read_certificate
from audit.x509.path.served_chain import read_chain
from audit.x509.pem import certificates_in, certificates_of
from remediate.execution.case_context import CaseContext, SwitchGroup
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked, require_success
from remediate.hosts import script
from remediate.model.causes import Cause
from remediate.pki.issued_chain import InstallableChain, Rejection, check_chain

MAX_FETCHES: Final = 8  # for one certificate; a path has at most five, and some have a second URL
_MAX_KEPT: Final = 100  # certificates from the versions on a host

_EXPIRING: Final = "chain.intermediate-expiring"


class CompleteChain:
    """Keeps the chains for the next steps; the next run searches again."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the leaf and the intermediates to send, once the chain of every file set is known."""
        del subject  # it is for the whole case
        file_sets = [switch_group.file_set for switch_group in context.switch_groups]
        chains = [context.chained[file_set] for file_set in file_sets if file_set in context.chained]
        if len(chains) < len(file_sets):
            return None
        intermediates = dict.fromkeys(str(intermediate) for chain in chains for intermediate in chain.intermediates)
        leaf = chains[0].leaf.sha256
        sent = join_clauses(tuple(intermediates)) or "no intermediate"
        return Satisfied(f"leaf {leaf}; sent with it: {sent}", leaf_sha256=leaf)

    def apply(self, context: CaseContext, subject: str) -> None:
        """Find the intermediates of every file set."""
        del subject
        for switch_group in context.switch_groups:
            chain_of(context, switch_group)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield no action: certificates are only read."""
        del state, subject
        yield Remark("certificates of its CAs are looked for on the host, and where they are published")


def chain_of(context: CaseContext, switch_group: SwitchGroup) -> InstallableChain:
    """Return the certificate of a file set with the intermediates to send; raises StepBlocked."""
    file_set = switch_group.file_set
    if file_set not in context.chained:
        context.chained[file_set] = _complete(context, switch_group)
    return context.chained[file_set]


def key_in(switch_group: SwitchGroup) -> str:
    """Return the path of the key in a file set. The key is not read. Raises StepBlocked."""
    for file in switch_group.files:
        if file.kind == "key":
            return file.path
    raise StepBlocked(Cause.FETCH_NO_KEY, "no key file of this certificate was found")


def _complete(context: CaseContext, switch_group: SwitchGroup) -> InstallableChain:
    """Return the first complete chain that outlives its leaf, else any complete chain; sources are read on demand."""
    leaf, certificates, faults = _leaf_in(switch_group), list[bytes](), list[str]()
    chain: InstallableChain | Rejection = Rejection(())
    for source in _sources(context, switch_group, leaf, faults):
        certificates += source(certificates)
        chain = check_chain(leaf.der, certificates, context.run.anchors, context.now())
        if isinstance(chain, InstallableChain) and not _expiries(leaf, certificates, context):
            return chain
    if isinstance(chain, Rejection):
        raise StepBlocked(Cause.FETCH_NO_ISSUER, join_clauses((str(chain), *faults)))
    if any(reason.check == _EXPIRING for reason in context.case.reasons):
        why = ("no other certificates of its CAs are known", *_expiries(leaf, certificates, context), *faults)
        raise StepBlocked(Cause.FETCH_NO_BETTER, join_clauses(why))
    return chain


def _expiries(leaf: Certificate, certificates: list[bytes], context: CaseContext) -> list[str]:
    """Return which intermediates on the path expire before the leaf."""
    path = read_chain((leaf.der, *dict.fromkeys(certificates)), context.run.anchors, context.now()).path or ()
    return [reason for intermediate in path[1:-1] for reason in expires_before_leaf(intermediate, leaf)]


def _leaf_in(switch_group: SwitchGroup) -> Certificate:
    leaves = {file.chain_der[0] for file in switch_group.files if file.kind == "certificate" and file.chain_der}
    if len(leaves) != 1:
        count = f"{len(leaves)} certificates" if leaves else "no certificate that can be read"
        raise StepBlocked(Cause.FETCH_NO_LEAF, f"the files hold {count} (expected 1)")
    return read_certificate(leaves.pop())


_Source = Callable[[list[bytes]], tuple[bytes, ...]]


def _sources(
    context: CaseContext, switch_group: SwitchGroup, leaf: Certificate, faults: list[str]
) -> Iterator[_Source]:
    """Yield the sources: the files themselves, other files on the host, earlier versions on it, the URLs of the CAs."""
    yield lambda _: tuple(der for file in switch_group.files if file.kind != "key" for der in file.chain_der)
    yield lambda _: _from_services(context)
    yield lambda _: _from_versions(context)
    fetched = set[str]()
    for _ in range(MAX_FETCHES):
        yield lambda certificates: _from_ca(context, (leaf, certificates), fetched, faults)


def _from_services(context: CaseContext) -> tuple[bytes, ...]:
    """Return the certificates that are not leaves in the files of all services of the host."""
    servers = context.host.servers(context.host.targets)
    return tuple(der for server in servers for _, further in bundles(server) for der in further)


def _from_versions(context: CaseContext) -> tuple[bytes, ...]:
    """Return the CA certificates in the versions of earlier repairs on the host."""
    command = context.workdir.read_only(
        "look for CA certificates of earlier repairs", script("inspect/earlier_certificates")
    )
    try:
        return certificates_in(require_success(context, command).output)[:_MAX_KEPT]
    except ValueError:
        return ()


def _from_ca(
    context: CaseContext, chain: tuple[Certificate, list[bytes]], fetched: set[str], faults: list[str]
) -> tuple[bytes, ...]:
    """Return the certificates behind the next URL; URLs in certificates without a known issuer come first."""
    leaf, intermediates = chain
    reached = read_chain((leaf.der, *intermediates), context.run.anchors, context.now()).reached
    for certificate in sorted(reached, key=lambda subject: _is_issued_by(subject, (issuer.der for issuer in reached))):
        for url in certificate.ca_issuers if certificate.has_readable("ca_issuers") else ():
            if url not in fetched:
                fetched.add(url)
                response = context.run.network.fetcher.get(url)
                if isinstance(response, Unfetched):
                    faults.append(str(response))
                    return ()
                return _issuers(certificate, certificates_of(response.content), url, faults)
    return ()


def _is_issued_by(subject: Certificate, ders: Iterable[bytes]) -> bool:
    """Return whether the key of any of these certificates (DER) made the signature of the subject."""
    issuers = path_members(ders)
    members = path_members([subject.der])
    return any(is_signed_by(member, issuer, by_any_algorithm=True) for member in members for issuer in issuers)


def _issuers(subject: Certificate, ders: tuple[bytes, ...], url: str, faults: list[str]) -> tuple[bytes, ...]:
    """Return the fetched certificates (DER) if one of them issued the subject, else an empty tuple."""
    if _is_issued_by(subject, ders):
        return ders
    fault = f"no certificate in the response issued {subject}" if ders else "the response contains no certificate"
    faults.append(f"{url!a}: {fault}")
    return ()
