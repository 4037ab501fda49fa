"""Values for everything that was observed of an endpoint or of a host, from outside and from inside."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from audit.endpoint import Endpoint
from audit.observation.cpanel import CpanelState
from audit.observation.firewall import HttpValidation
from audit.observation.tls_support import TlsSupport
from audit.observation.website import Website


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """One HTTP response to the request that a CA would send for validation. Without a status `detail` says why."""

    url: str
    address: str
    status: int | None = None
    location: str = ""  # of a redirect
    server: str = ""  # as the response names it
    beginning: str = ""  # of the body, printable
    detail: str = ""
    can_tell: bool = True  # False: this machine has no route to addresses of that family


SCHEMA: Final = 3
UNKNOWN: Final = "unknown"
"""The service of a listening socket that belongs to no known service."""

Stage = Literal["resolve", "connect", "starttls", "handshake", "login", "host"]
FailureKind = Literal[
    "unresolvable",  # no address for the name
    "refused",  # connection refused or reset before a byte
    "timeout",  # the deadline of that stage passed
    "unreachable",  # no route to the address
    "no-family",  # this machine has no IPv4 or no IPv6; not a fault of the server
    "closed",  # closed before the end
    "busy",  # the server is busy: SMTP 421, FTP 421, too many connections
    "not-offered",  # STARTTLS is not among the capabilities
    "rejected",  # STARTTLS was requested and refused
    "injected",  # plain text came after the server accepted STARTTLS
    "plaintext",  # the port speaks the protocol without TLS
    "garbage",  # not the protocol at all
    "too-much",  # more bytes than the limit
    "proxy-protocol",  # the service expects the PROXY protocol, and accepts no header from here
    "alert",  # a TLS alert; the detail names it
    "no-shared",  # no version or cipher in common
    "denied",  # login or right refused
    "host-key",  # the host's key is unknown or has changed
    "sudo",  # sudo requires a password
    "no-command",  # a program that is needed is not on the host
    "broken",  # a response that cannot be parsed
]
FileKind = Literal["certificate", "key", "chain"]
FileFault = Literal[
    "missing", "denied", "directory", "encrypted", "prompted", "unparseable", "empty", "not-regular", "too-large"
]  # fmt: skip
"""Of an encrypted key, `prompted` says that its service prompts a person for the passphrase."""
ProxyProtocol = Literal["never", "always", "some-clients"]
"""Which clients must send the header of the PROXY protocol first; of some, the configuration lists the addresses."""
RevocationSource = Literal["crl", "ocsp"]
DnsStatus = Literal["ok", "nxdomain", "no-address", "servfail", "timeout", "not-asked"]


@dataclass(frozen=True, slots=True)
class ProbeFailure:
    """Why something could not be observed: stage, kind, one line of detail, and the address, if any."""

    stage: Stage
    kind: FailureKind
    detail: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    """One TLS handshake with one address. `chain_der` as sent: leaf first, order kept, nothing dropped."""

    address: str  # the address that was connected to
    version: str  # "TLSv1.3"
    cipher: str  # the cipher suite
    group: str | None  # the key exchange group
    alpn: str | None  # the protocol of ALPN
    chain_der: tuple[bytes, ...]  # the certificates as DER, as sent
    ocsp_der: bytes | None  # the stapled OCSP response as DER; empty if one was stapled that is not known
    elapsed_s: float  # duration in seconds
    old_protocols: tuple[str, ...] | None = None  # of TLSv1 and TLSv1.1 those accepted; None: not known
    from_host: bool = False  # observed from the host itself, not from here
    tls12: bool | None = None  # whether TLS 1.2 is accepted; None: not tried, or not known
    unknown_versions: str = ""  # why it is not known which versions are accepted: the fault of a later connection
    tls: TlsSupport | None = None  # what else the server supports; None: not requested
    sct_list: bytes | None = None  # the list of SCTs in the handshake, empty if there is none; None: not requested


@dataclass(frozen=True, slots=True)
class DnsView:
    """What the resolver returned for the endpoint's name."""

    status: DnsStatus
    addresses: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RevocationResponse:
    """One request to a CRL or OCSP URL of a certificate, and the response as DER, or why there is none."""

    certificate_sha256: str
    source: RevocationSource
    url: str
    asked_at: datetime  # of a cached response, when it was fetched
    question: bytes = b""  # the OCSP request
    content: bytes | None = None
    failure: str = ""
    is_disabled: bool = False  # by the configuration: nothing was sent


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file that the service's configuration names. Of a key only owner, mode and SPKI digest are kept.

    `mode` in permission bits (0o600), `chain_der` the certificates in it in order. With an ACL the group's bits of
    `mode` are its mask, and `acl` has the rights after that mask: of named users and groups, and of the file's group
    (`user:alice:r--`, `group::---`). It is empty without an ACL, and None if the host has no program to read it.
    """

    path: str
    kind: FileKind
    real_path: str | None = None
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    chain_der: tuple[bytes, ...] = ()
    spki_sha256: str | None = None
    fault: FileFault | None = None
    detail: str = ""
    open_folder: str | None = None  # a directory above it that others than its owner may write to
    acl: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class ConfigTest:
    """The result of the daemon's own test of its configuration."""

    command: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HostView:
    """The view from inside a host: of the host, and of one service if the observation is of one."""

    label: str  # the short name of the host in ids
    hostspec: str  # how it is logged in to
    fqdn: str | None = None  # the full name that the host has for itself
    addresses: tuple[str, ...] = ()  # addresses of the host, without loopback
    configured_addresses: tuple[str, ...] = ()  # addresses that the user configured (behind NAT)
    clock_offset_s: float | None = None  # its clock minus ours
    is_cpanel: bool = False  # whether it is a cPanel & WHM server
    service: str | None = None  # name of the service; None for the host as a whole
    service_running: bool | None = None  # whether the service runs
    service_since: datetime | None = None  # when its process was started
    config_test: ConfigTest | None = None  # the result of the daemon's own test
    files: tuple[InstalledFile, ...] = ()  # the files that its configuration names
    agent: str | None = None  # the agent that owns the certificate: certbot, acme.sh, lego, caddy, …
    panel_service: str | None = None  # the panel's own name for it, if the panel installs its certificate
    snakeoil: bool = False  # whether it is the distribution's placeholder certificate
    unread: tuple[str, ...] = ()  # one message per reason why another certificate than that in `files` may be served
    missing_rights: tuple[str, ...] = ()  # one message per value that could not be read, with the missing right
    not_trusted: tuple[str, ...] = ()  # processes that root does not inspect; only of the host as a whole
    websites: tuple[Website, ...] = ()  # the sites of its web servers for plain HTTP; only of the host as a whole
    cpanel: CpanelState | None = None  # state of a cPanel & WHM server; only of the host as a whole
    proxy_protocol: ProxyProtocol = "never"  # whether the listener expects a load balancer before it
    login: str | None = None  # the user that runs the commands of the login
    collector: str | None = None  # the only program that the login may run as root
    stand_in: str | None = None  # name in place of that of a container, which no client connects to
    validation: HttpValidation | None = None  # HTTP validation of names; only of the host as a whole
    not_started: tuple[str, ...] = ()  # services that start with the host, and do not run
    not_inspected: str = ""  # why nothing inside the host is inspected


@dataclass(frozen=True, slots=True)
class Accident:
    """Why an endpoint or host was not fully observed, through no fault of its own.

    With a trace it is an exception of ours, and the verdict is `error`. Without one the evidence cannot be used, and
    the checks are inconclusive.
    """

    reason: str
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Accident:
        """Return an exception as an accident."""
        return cls(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that was observed of one endpoint, or of a host as a whole, in one run."""

    endpoint: Endpoint  # what was observed
    observed_at: datetime  # when
    addresses: tuple[str, ...] = ()  # addresses that were connected to
    handshakes: tuple[Handshake, ...] = ()  # one handshake for each address that responded
    failures: tuple[ProbeFailure, ...] = ()  # one failure for each address that did not respond, or a single one
    dns: DnsView | None = None  # what the resolver returned
    server: HostView | None = None  # the view from inside the host; None from outside
    revocation: tuple[RevocationResponse, ...] | None = None  # CRLs and OCSP responses; None: nothing was fetched
    http_probes: tuple[HttpProbe, ...] | None = None  # HTTP requests to a host's names; None: not probed
    connections: int = 0  # number of connections
    elapsed_s: float = 0.0  # duration in seconds
    schema: int = SCHEMA  # version of the stored form
    other_key_handshakes: tuple[Handshake, ...] = ()  # of a client that offers only the other key type
    other_key_failures: tuple[ProbeFailure, ...] = ()  # why that client had no handshake
    accident: Accident | None = None  # why it was not fully observed
    changed_handshakes: tuple[Handshake, ...] = ()  # of a second connection like the first, with another certificate

    @property
    def every_handshake(self) -> tuple[Handshake, ...]:
        """The handshakes of all addresses, and after them those in which another certificate was served."""
        return (*self.handshakes, *self.changed_handshakes, *self.other_key_handshakes)

    @property
    def is_blank(self) -> bool:
        """Whether nothing at all was observed."""
        return not (self.handshakes or self.failures or self.server)

    @property
    def failure(self) -> ProbeFailure | None:
        """Why no handshake was completed; None if at least one was, or if none was tried."""
        return self.failures[0] if self.failures and not self.handshakes else None
