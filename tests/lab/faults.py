"""The planted faults of the lab and their expected findings: a table with a row for each endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

DOMAIN: Final = "lab.test"
LOCAL: Final = "127.0.0.1"
HOST: Final = "local://"
"""The host of the services that can be repaired: this very machine, of which nothing but they is audited."""

HOST_LABEL: Final = "local"
"""What that host is called in ids."""

Scheme = Literal["https", "tls", "smtp", "smtps", "imap", "imaps", "pop3", "pop3s", "ftp", "ftps", "sieve", "lmtp"]
Tls = Literal["modern", "tls1.0", "tls1.1", "tls1.2", "client-certificate", "client-certificate-1.2"]
Lookup = Literal["pinned", "resolves", "nxdomain", "no-address", "servfail"]


@dataclass(frozen=True, slots=True)
class Files:
    """How a service of the host has its key and certificates in files.

    `content` is what lies there, beside what is served, `of` the label of the service whose files these
    are, `chain` how the certificates of the CAs are named: after the leaf in its file, in a file of their own, or in
    one that is not there. `keeper` is the folder of an agent that owns them. `also` are labels of further names that
    the service has, and its certificate.
    """

    content: str = "as-served"
    of: str = ""
    chain: Literal["with-leaf", "apart", "missing"] = "with-leaf"
    key_mode: int = 0o600
    keeper: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planted:
    """One endpoint of the lab, and the ids of the checks that have to fail on it; none on a sound one.

    `certificate` is a recipe, `behaviour` how the server behaves, `lookup` what the name server says of the name
    (`pinned`: it is not asked, the URL gives the address). `addresses` are where it listens: the faulty ones that waste
    a prober's time have an address of their own, as hosts would. `beside` is the label of the endpoint whose port it
    shares, distinguished by SNI. With `files` it is a service of the host, which can be repaired.
    """

    label: str
    scheme: Scheme
    finds: tuple[str, ...] = ()
    certificate: str = "good"
    behaviour: str = "serves"
    tls: Tls = "modern"
    lookup: Lookup = "pinned"
    addresses: tuple[str, ...] = (LOCAL,)
    beside: str = ""
    files: Files | None = None

    @property
    def name(self) -> str:
        """The name to ask for and to expect: a literal address stands for itself."""
        return f"{self.label}.{DOMAIN}" if self.label else self.addresses[0]


def _clients(behaviour: str, *finds: str) -> tuple[Planted, ...]:
    """Return one row for each scheme that upgrades a connection in plain text."""
    return tuple(
        Planted(f"{behaviour}-{scheme}", scheme, finds, behaviour=behaviour)
        for scheme in ("smtp", "imap", "pop3", "ftp")
    )


def _on_host(
    label: str, scheme: Scheme, finds: tuple[str, ...] = (), certificate: str = "good", *,
    beside: str = "", files: Files = Files(),
) -> Planted:  # fmt: skip
    """Return a row for a service of the host: its name leads there."""
    return Planted(label, scheme, finds, certificate, lookup="resolves", beside=beside, files=files)


SOUND: Final = (
    Planted("www", "https"),
    Planted("service", "tls"),
    Planted("mx", "smtp"),
    Planted("submission", "smtps"),
    Planted("imap", "imap"),
    Planted("imaps", "imaps"),
    Planted("pop", "pop3"),
    Planted("pops", "pop3s"),
    Planted("ftp", "ftp"),
    Planted("ftps", "ftps"),
    Planted("filters", "sieve"),
    Planted("delivery", "lmtp"),
    Planted("resolved", "https", lookup="resolves"),
    Planted("resolved-mx", "smtp", lookup="resolves"),
    Planted("two-addresses", "https", lookup="resolves", addresses=("127.0.0.2", "127.0.0.3")),
    Planted("second-name", "https", beside="www"),
    Planted("xn--bcher-kva", "https"),
    Planted("", "https"),  # an address is the name
    Planted("", "https", addresses=("::1",)),
    Planted("rsa", "https", certificate="good-rsa"),
    Planted("both-keys", "https", certificate="both-keys"),
    Planted("wildcard", "https", certificate="wildcard"),
    Planted("short-lived", "https", certificate="short-lived"),
    Planted("stapled", "https", certificate="stapled"),
    Planted("ocsp", "https", certificate="ocsp"),
    Planted("ocsp-alone", "imaps", certificate="ocsp-alone"),
    Planted("tls12", "https", tls="tls1.2"),
    Planted("client-certificate", "https", tls="client-certificate"),
    Planted("client-certificate-tls12", "https", tls="client-certificate-1.2"),
    Planted("busy-at-first", "smtp", behaviour="busy-at-first", addresses=("127.0.0.4",)),
    _on_host("kept", "https"),
    _on_host("kept-mail", "imap", files=Files(chain="apart")),
)

REPAIRABLE: Final = (
    _on_host("expired", "https", ("cert.expired",), "expired"),
    _on_host("expired-mail", "imaps", ("cert.expired",), "expired"),
    _on_host("expired-second-name", "https", ("cert.expired",), "expired", beside="www"),
    _on_host("shared", "https", ("cert.expired",), "shared"),
    _on_host("mail-shared", "imaps", ("cert.expired",), "shared", files=Files(of="shared")),
    _on_host("mx-shared", "smtp", ("cert.expired",), "shared", files=Files(of="shared")),
    _on_host("expiring", "https", ("cert.expiring",), "expiring"),
    _on_host("expiring-mx", "smtp", ("cert.expiring",), "expiring"),
    _on_host("renewal-due", "https", ("cert.renewal-due",), "renewal-due"),
    _on_host("not-yet-valid", "https", ("cert.not-yet-valid",), "not-yet-valid"),
    _on_host("sha1", "https", ("cert.weak-signature",), "sha1"),
    _on_host("md5", "pop3s", ("cert.weak-signature",), "md5"),
    _on_host("no-san", "https", ("cert.san-missing",), "no-san"),
    _on_host("client-only", "https", ("cert.eku-missing-serverauth",), "client-only"),
    _on_host("no-usage", "ftps", ("cert.eku-missing-serverauth",), "no-usage"),
    _on_host("self-signed", "https", ("cert.self-signed",), "self-signed"),
    _on_host("self-signed-ftp", "ftp", ("cert.self-signed",), "self-signed"),
    _on_host("foreign", "https", ("cert.untrusted",), "foreign"),
    _on_host("wrong-name", "https", ("cert.name-mismatch",), "other-name", files=Files(also=("other-wrong-name",))),
    _on_host("wrong-name-mail", "imap", ("cert.name-mismatch",), "other-name",
             files=Files(also=("other-wrong-name-mail",))),
    _on_host("too-long", "https", ("cert.validity-too-long",), "long"),
    _on_host("malformed", "https", ("cert.malformed",), "malformed"),
    _on_host("placeholder", "https", ("svc.certificate-missing",), "placeholder"),
    _on_host("leaf-only", "https", ("chain.incomplete",), "leaf-only"),
    _on_host("leaf-only-pop", "pop3", ("chain.incomplete",), "leaf-only"),
    _on_host("reversed", "https", ("chain.order",), "reversed", files=Files(chain="apart")),
    _on_host("unrelated", "smtps", ("chain.order",), "unrelated"),
    _on_host("duplicated", "tls", ("chain.order",), "duplicated"),
    _on_host("intermediate-ends", "https", ("chain.intermediate-expiring",), "intermediate-ends"),
    _on_host("intermediate-ended", "https", ("chain.invalid-path",), "intermediate-ended"),
    _on_host("by-a-leaf", "https", ("chain.invalid-path",), "by-a-leaf"),
    _on_host("weak-ca", "https", ("chain.weak-ca-key",), "weak-ca"),
    _on_host("rsa-1024", "https", ("key.weak",), "rsa-1024"),
    _on_host("close-primes", "https", ("key.compromised",), "close-primes"),
    _on_host("revoked", "https", ("cert.revoked",), "revoked"),
    _on_host("revoked-key", "https", ("cert.revoked",), "revoked-key"),
    _on_host("revoked-hold", "smtp", ("cert.revoked",), "revoked-hold"),
    _on_host("revoked-ocsp", "imaps", ("cert.revoked",), "revoked-by-ocsp"),
    _on_host("revoked-staple", "https", ("cert.revoked",), "stapled-revoked"),
    _on_host("revoked-intermediate", "https", ("cert.revoked",), "revoked-above"),
    _on_host("renewed", "https", ("svc.disk-vs-wire",), files=Files("renewed")),
    _on_host("renewed-mail", "imaps", ("cert.expired", "svc.disk-vs-wire"), "expired", files=Files("renewed")),
    _on_host("key-of-another", "https", ("key.mismatch",), files=Files("key-of-another")),
    _on_host("open-key", "https", ("key.permissions",), files=Files(key_mode=0o644)),
    Planted("two-certificates", "https", ("svc.disk-vs-wire", "svc.multi-address"), behaviour="one-each",
            lookup="resolves", addresses=("127.0.0.8", "127.0.0.9"), files=Files("renewed")),
)  # fmt: skip
"""Services of the host with a fault that a repair fixes."""

LEFT_ALONE: Final = (
    _on_host("owned", "https", ("ops.foreign-agent",), files=Files(keeper=".lego")),
    _on_host("file-missing", "https", ("svc.config-missing-file",), files=Files(chain="missing")),
    Planted("staple-old", "https", ("cert.staple-stale",), "staple-old"),
    Planted("must-staple", "https", ("cert.must-staple-no-staple",), "must-staple"),
    Planted("wildcard-mail", "smtp", ("cert.wildcard-scope",), "wildcard"),
    Planted("tls10", "https", ("tls.old-protocol",), tls="tls1.0"),
    Planted("tls11", "imaps", ("tls.old-protocol",), tls="tls1.1"),
    *_clients("no-starttls", "svc.plaintext"),
    Planted("http", "https", ("svc.plaintext",), behaviour="http"),
    Planted("plain-smtp", "smtps", ("svc.plaintext",), behaviour="plain-smtp"),
    Planted("closed-port", "https", ("svc.unreachable",), behaviour="closed"),
    Planted("closes", "https", ("svc.unreachable",), behaviour="closes"),
    Planted("closes-mail", "imap", ("svc.unreachable",), behaviour="closes"),
    Planted("garbage", "https", ("svc.unreachable",), behaviour="garbage"),
    Planted("garbage-mx", "smtp", ("svc.unreachable",), behaviour="garbage"),
    Planted("alert", "https", ("svc.unreachable",), behaviour="alert"),
    Planted("refuses-starttls", "smtp", ("svc.unreachable",), behaviour="refuses-starttls"),
    Planted("injects", "smtp", ("svc.unreachable",), behaviour="injects"),
    Planted("endless", "smtp", ("svc.unreachable",), behaviour="endless", addresses=("127.0.0.5",)),
    Planted("dribbles", "smtp", ("svc.unreachable",), behaviour="dribbles", addresses=("127.0.0.6",)),
    Planted("mute-starttls", "smtp", ("svc.unreachable",), behaviour="mute-starttls", addresses=("127.0.0.7",)),
    Planted("hundred", "https", ("svc.unreachable",), "hundred"),
    Planted("nxdomain", "https", ("dns.unresolvable",), lookup="nxdomain"),
    Planted("no-address", "imaps", ("dns.unresolvable",), lookup="no-address"),
    Planted("servfail", "smtp", ("dns.unresolvable",), lookup="servfail"),
)
"""Faults that no certificate fixes: they are explained, and stay."""

OUTSIDE: Final = (
    Planted("bare-elsewhere", "https", ("chain.incomplete",), behaviour="bare-elsewhere", lookup="resolves",
            addresses=("127.0.0.10", "127.0.0.11")),
    Planted("expired-elsewhere", "https", ("cert.expired",), behaviour="expired-elsewhere", lookup="resolves",
            addresses=("127.0.0.10", "127.0.0.11")),
    Planted("rsa-expired", "https", ("cert.expired",), "rsa-expired-beside"),
)  # fmt: skip
"""Faults of the second chain of a service, which is observed only from outside."""

FAULTY: Final = (*REPAIRABLE, *LEFT_ALONE, *OUTSIDE)

SILENT: Final = f"silent.{DOMAIN}"
"""A name about which the name server never answers: whether the name has a fault is inconclusive."""

UNUSABLE_LINE: Final = "gopher://gopher.lab.test:70"
"""A line of the endpoints file that is a fault of the run itself, with the finding `ops.endpoint-unusable`."""

RUN_FINDS: Final = ("ops.endpoint-unusable",)
