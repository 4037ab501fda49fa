"""The step `fetch`: we have the CA certificates that belong to a certificate in use.

They are looked for in several places, the nearest first. All of them are hostile input: `pki/issued_chain.py` decides
which are sent. The certificate and its key stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from audit.analysis.chains import expires_before_leaf
from audit.analysis.installed_files import bundles
from audit.probe.fetch import Unfetched
from audit.text import sentence
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

MAX_FETCHES: Final = 8  # for one certificate; a path has five, with a second place for some
_MAX_KEPT: Final = 100  # certificates in the versions that lie on a host

_ENDING: Final = "chain.intermediate-expiring"


class CompleteChain:
    """Keeps what it finds for the next steps; the next run looks again."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the leaf and what is sent with it, once the chain of every file set is known."""
        del subject  # it is for the whole case
        found = [context.chained.get(one.file_set.folder) for one in context.switch_groups]
        chained = [one for one in found if one]
        if len(chained) < len(found):
            return None
        sent = tuple(dict.fromkeys(str(each) for one in chained for each in one.intermediates))
        leaf = chained[0].leaf.sha256
        return Satisfied(f"leaf {leaf}; sent with it: {sentence(sent) or 'nothing more'}", leaf_sha256=leaf)

    def apply(self, context: CaseContext, subject: str) -> None:
        """Look for the CA certificates of every file set."""
        del subject
        for one in context.switch_groups:
            chain_of(context, one)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield no action: certificates are only read."""
        del state, subject
        yield Remark("certificates of its CAs are looked for on the host, and where they are published")


def chain_of(context: CaseContext, one: SwitchGroup) -> InstallableChain:
    """Return the certificate of a file set with what is to be sent with it; raises StepBlocked."""
    folder = one.file_set.folder
    if folder not in context.chained:
        context.chained[folder] = _found(context, one)
    return context.chained[folder]


def key_in(one: SwitchGroup) -> str:
    """Return the path of the key in a file set, which is not read; raises StepBlocked."""
    for file in one.files:
        if file.kind == "key":
            return file.path
    raise StepBlocked(Cause.FETCH_NO_KEY, "no file of the key of this certificate was found")


def _found(context: CaseContext, one: SwitchGroup) -> InstallableChain:
    """Return the first complete chain that outlives its leaf, else a complete one; no source is read needlessly."""
    leaf, found, faults = _leaf_in(one), list[bytes](), list[str]()
    judged: InstallableChain | Rejection = Rejection(())
    for source in _sources(context, one, leaf, faults):
        found += source(found)
        judged = check_chain(leaf.der, found, context.run.anchors, context.now())
        if isinstance(judged, InstallableChain) and not _endings(leaf, found, context):
            return judged
    if isinstance(judged, Rejection):
        raise StepBlocked(Cause.FETCH_NO_ISSUER, sentence((str(judged), *faults)))
    if any(reason.check == _ENDING for reason in context.case.reasons):
        why = ("no other certificates of its CAs are known", *_endings(leaf, found, context), *faults)
        raise StepBlocked(Cause.FETCH_NO_BETTER, sentence(why))
    return judged


def _endings(leaf: Certificate, found: list[bytes], context: CaseContext) -> list[str]:
    """Return which CA on the path ends before the leaf."""
    path = read_chain((leaf.der, *dict.fromkeys(found)), context.run.anchors, context.now()).path or ()
    return [clause for each in path[1:-1] for clause in expires_before_leaf(each, leaf)]


def _leaf_in(one: SwitchGroup) -> Certificate:
    leaves = {file.chain_der[0] for file in one.files if file.kind == "certificate" and file.chain_der}
    if len(leaves) != 1:
        count = f"{len(leaves)} certificates" if leaves else "no certificate that can be read"
        raise StepBlocked(Cause.FETCH_NO_LEAF, f"the files hold {count}, where one is expected")
    return read_certificate(leaves.pop())


_Source = Callable[[list[bytes]], tuple[bytes, ...]]


def _sources(context: CaseContext, one: SwitchGroup, leaf: Certificate, faults: list[str]) -> Iterator[_Source]:
    """Yield the sources: the files themselves, others on the host, earlier versions there, what the CAs publish."""
    yield lambda _: tuple(der for file in one.files if file.kind != "key" for der in file.chain_der)
    yield lambda _: _beside(context)
    yield lambda _: _kept(context)
    asked = set[str]()
    for _ in range(MAX_FETCHES):
        yield lambda found: _published(context, (leaf, found), asked, faults)


def _beside(context: CaseContext) -> tuple[bytes, ...]:
    """Return the certificates, other than leaves, in the files of all services of the host."""
    servers = context.host.servers(context.host.targets)
    return tuple(der for server in servers for _, further in bundles(server) for der in further)


def _kept(context: CaseContext) -> tuple[bytes, ...]:
    """Return the CA certificates in the versions of earlier repairs on the host."""
    command = context.workdir.read_only("look for CA certificates of earlier repairs", script("kept_certificates"))
    try:
        return certificates_in(require_success(context, command).output)[:_MAX_KEPT]
    except ValueError:
        return ()


def _published(
    context: CaseContext, known: tuple[Certificate, list[bytes]], asked: set[str], faults: list[str]
) -> tuple[bytes, ...]:
    """Return the certificates behind the next URL; certificates whose issuer is unknown come first."""
    leaf, found = known
    reached = read_chain((leaf.der, *found), context.run.anchors, context.now()).reached
    for certificate in sorted(reached, key=lambda one: _is_issued_by(one, (other.der for other in reached))):
        for url in certificate.ca_issuers if certificate.has_readable("ca_issuers") else ():
            if url not in asked:
                asked.add(url)
                fetched = context.run.network.fetcher.get(url)
                if isinstance(fetched, Unfetched):
                    faults.append(str(fetched))
                    return ()
                return _issuers(certificate, certificates_of(fetched.content), url, faults)
    return ()


def _is_issued_by(subject: Certificate, ders: Iterable[bytes]) -> bool:
    """Return whether the key of any of these certificates (DER) made the signature of another one."""
    issuers = path_members(ders)
    members = path_members([subject.der])
    return any(is_signed_by(member, issuer, by_any_algorithm=True) for member in members for issuer in issuers)


def _issuers(subject: Certificate, found: tuple[bytes, ...], url: str, faults: list[str]) -> tuple[bytes, ...]:
    """Return the certificates that were fetched if one of them issued the subject, else none."""
    if _is_issued_by(subject, found):
        return found
    faults.append(f"{url!a}: {'none of it has issued' if found else 'it is no certificate for'} {subject}")
    return ()
