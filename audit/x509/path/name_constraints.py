"""Name constraints (RFC 5280 4.2.1.10): which names of a certificate a CA above it must not certify.

The caller chooses the certificates that a constraint applies to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from audit.x509.certificate import Certificate
from audit.x509.der import elements
from audit.x509.fields import canonical
from audit.x509.identifiers import is_dns_name, is_mailbox, is_presentable
from audit.x509.violation import CLIENT, PROFILE, Violation

_CLAUSE: Final = "RFC 5280 4.2.1.10"
_SLOWER: Final = 3
_OID: Final = "2.5.29.30"


class Name(NamedTuple):
    """A name of a certificate or the base of a subtree: of which kind, and its value as the library has it."""

    kind: type[x509.GeneralName]
    value: Any

    def __str__(self) -> str:
        """Return it as text."""
        return self.value.rfc4514_string() if isinstance(self.value, x509.Name) else str(self.value)


@dataclass(frozen=True, slots=True)
class Subtrees:
    """The bases of subtrees; those of DNS names also as sets, because there may be thousands."""

    bases: tuple[Name, ...]
    dns: frozenset[str]  # in lower case
    dotted: frozenset[str]  # of those that begin with a dot, without it: the domains whose subdomains they hold
    parents: frozenset[str]  # of those in dns: the domains of a wildcard that may match one of them

    @property
    def kinds(self) -> set[type[x509.GeneralName]]:
        """The kinds of names that they are about."""
        return {base.kind for base in self.bases}

    def hold(self, name: Name) -> bool:
        """Return whether a name, taken literally, is within one of them."""
        if name.kind is x509.DNSName:
            return not self.dns.isdisjoint(_domains(name.value.lower()))
        return any(name.kind is base.kind and _WITHIN[base.kind](name.value, base.value) for base in self.bases)

    def touch(self, name: Name) -> bool:
        """Return whether a name, or one that it matches as a wildcard, is within one of them, read widely.

        A base that begins with a dot is not a valid one, but clients take it for the subdomains.
        """
        if name.kind is not x509.DNSName:
            return self.hold(name)
        value = name.value.lower()
        parent = value.partition(".")[2]
        if value.startswith("*.") and parent in self.parents:
            return True
        return self.hold(name) or not self.dotted.isdisjoint(_domains(parent))


def own_violations(certificate: Certificate) -> Iterator[Violation]:
    """Yield what is wrong with the constraints of a CA's certificate, independent of the certificates below it."""
    if certificate.extension(x509.NameConstraints) is None:
        return
    for base in constraints_of(certificate):
        if not _is_base(base):
            is_dotted = base.kind is x509.DNSName and is_dns_name(base.value.removeprefix("."))
            yield Violation(_CLAUSE, f"the name constraint {base} is malformed", PROFILE if is_dotted else CLIENT)
    lists = elements(elements(certificate.raw.extension_value(_OID) or b"\x30\x00")[0].content)
    if not any(subtrees.content for subtrees in lists):
        yield Violation(_CLAUSE, "the name constraints are empty")
    if any(len(elements(subtree.content)) > 1 for subtrees in lists for subtree in elements(subtrees.content)):
        yield Violation(_CLAUSE, "a name constraint has a minimum or maximum")


def constraints_of(ca: Certificate) -> tuple[Name, ...]:
    """Return the bases of all subtrees of a CA, permitted and excluded."""
    permitted, excluded = _subtrees(ca)
    return permitted.bases + excluded.bases


def comparisons(ca: Certificate, below: Certificate, *, common_names: bool = False) -> int:
    """Return how many comparisons of names there would be, before they are made; those of DNS names are quick."""
    slow = sum(base.kind is not x509.DNSName for base in constraints_of(ca))
    return (len(constraints_of(ca)) + _SLOWER * slow) * len(names_of(below, common_names=common_names))


def violations(ca: Certificate, below: Certificate, *, common_names: bool = False) -> Iterator[Violation]:
    """Yield which names of a certificate below it a CA's constraints do not permit."""
    permitted, excluded = _subtrees(ca)
    kinds = permitted.kinds | excluded.kinds
    for name in names_of(below, common_names=common_names) if kinds else ():
        if name.kind not in kinds:
            continue
        if name.kind not in _WITHIN:
            yield Violation(_CLAUSE, f"the constraint of {ca} on names such as {name} cannot be processed")
        elif not _is_name(name):
            yield Violation(_CLAUSE, f"the name {name}, which {ca} constrains, is malformed")
        elif excluded.touch(name):
            yield Violation(_CLAUSE, f"the name {name} is excluded by {ca}")
        elif name.kind in permitted.kinds and not permitted.hold(name):
            yield Violation(_CLAUSE, f"the name {name} is not among those permitted by {ca}")


@lru_cache(maxsize=2048)
def names_of(certificate: Certificate, *, common_names: bool = False) -> tuple[Name, ...]:
    """Return the names of a certificate that constraints apply to: its subject and its subject alternative names.

    E-mail addresses in the subject count as well, as with OpenSSL. If `common_names` are wanted, those that look like a
    DNS name count if there is no dNSName, because a caller could match them.
    """
    subject = certificate.subject_name
    names = [Name(x509.DirectoryName, subject)] if certificate.canonical_subject else []
    names += _named(certificate.extension(x509.SubjectAlternativeName) or ())
    names += [Name(x509.RFC822Name, str(part.value)) for part in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
    if common_names and not any(name.kind is x509.DNSName for name in names):
        common = (str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME))
        names += [Name(x509.DNSName, name) for name in common if "." in name and is_presentable(name)]
    return tuple(names)


@lru_cache(maxsize=2048)
def _subtrees(ca: Certificate) -> tuple[Subtrees, Subtrees]:
    """Return the subtrees that a CA permits and those it excludes."""
    constraints = ca.extension(x509.NameConstraints)
    if constraints is None:
        return _of(()), _of(())
    return _of(constraints.permitted_subtrees or ()), _of(constraints.excluded_subtrees or ())


def _of(names: Iterable[x509.GeneralName]) -> Subtrees:
    bases = _named(names)
    dns = frozenset(base.value.lower() for base in bases if base.kind is x509.DNSName)
    dotted = frozenset(base.removeprefix(".") for base in dns if base.startswith("."))
    return Subtrees(bases, dns, dotted, frozenset(base.partition(".")[2] for base in dns if base))


def _domains(name: str) -> Iterator[str]:
    """Yield a name and every domain that it is in, the root as the empty name last."""
    while name:
        yield name
        name = name.partition(".")[2]
    yield ""


def _named(names: Iterable[x509.GeneralName]) -> tuple[Name, ...]:
    return tuple(Name(type(name), name.value) for name in names)


def _is_name(name: Name) -> bool:
    if name.kind is x509.DNSName:
        return is_presentable(name.value)
    if name.kind is x509.RFC822Name:
        return is_mailbox(name.value)
    if name.kind is x509.UniformResourceIdentifier:
        return is_dns_name(_host_of(name.value))  # one without a host name must be refused
    return True


def _is_base(base: Name) -> bool:
    if base.kind is x509.DNSName:
        return not base.value or is_dns_name(base.value)
    if base.kind is x509.RFC822Name and "@" in base.value:
        return is_mailbox(base.value)
    if base.kind in (x509.RFC822Name, x509.UniformResourceIdentifier):
        return is_dns_name(base.value.removeprefix("."))
    return True


def _is_directory_within(name: x509.Name, base: x509.Name) -> bool:
    wanted = canonical(base)
    return canonical(name)[: len(wanted)] == wanted


def _is_email_within(name: str, base: str) -> bool:
    local, _, host = name.rpartition("@")
    if "@" not in base:
        return _is_host_within(host, base)
    wanted, _, its_host = base.rpartition("@")
    return (local, host.lower()) == (wanted, its_host.lower())  # the local part may depend on case


def _is_host_within(host: str, base: str) -> bool:
    host, base = host.lower(), base.lower()
    return host.endswith(base) and host != base if base.startswith(".") else host == base


def _host_of(uri: str) -> str:
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


_WITHIN: Final[dict[type[x509.GeneralName], Callable[[Any, Any], bool]]] = {
    x509.DNSName: lambda name, base: base.lower() in _domains(name.lower()),
    x509.IPAddress: lambda name, base: name.version == base.version and name in base,
    x509.DirectoryName: _is_directory_within,
    x509.RFC822Name: _is_email_within,
    x509.UniformResourceIdentifier: lambda name, base: _is_host_within(_host_of(name), base),
}
"""How a name of each kind lies within a subtree; a kind that is not here cannot be processed."""
