"""The header of the PROXY protocol, which a service behind a load balancer may require before anything else.

It is that of version 2 with the command LOCAL: the connection is the sender's own, such as that of a health check. So
the service keeps the address that it sees, and no address is claimed. Postfix refuses the same in version 1
(`PROXY UNKNOWN`). Each service that supports version 2 accepts it.
"""

from __future__ import annotations

from typing import Final

from audit.observation import FailureKind, ProbeFailure, ProxyProtocol
from audit.probe.target import InsidePlace, Target
from audit.probe.tcp import ProbeError

LOCAL_HEADER: Final = b"\r\n\r\n\x00\r\nQUIT\n" + b"\x20\x00\x00\x00"
"""The signature; version 2 with the command LOCAL; no address family; no bytes that follow (section 2.2)."""

HEADERS: Final[dict[ProxyProtocol, tuple[bytes, ...]]] = {
    "never": (b"",),
    "always": (LOCAL_HEADER, b""),  # the service may run with an older configuration
    "some-clients": (b"", LOCAL_HEADER),
}
"""The headers to try in turn."""

_FROM_OUTSIDE: Final = "to see its certificate, run the audit where its load balancer runs"
HOST_SENDS_NO_HEADER: Final = (
    f"it expects the PROXY protocol from its load balancer, which needs perl on the host itself; {_FROM_OUTSIDE}"
)
_AFTER_CONNECT: Final = ("starttls", "handshake")
_FAULTS_OF_TLS: Final[tuple[FailureKind, ...]] = ("not-offered", "injected", "no-shared", "too-much", "busy")


def is_about_header(fault: ProbeError, header: bytes) -> bool:
    """Return whether a service that got this header may have ended the connection because of it.

    Exim without a header takes the first 14 bytes of the client for one, and the random bytes behind them for a TLS
    record: it waits for the rest, or sends an alert, which may be that of an unknown version.
    """
    if fault.stage not in _AFTER_CONNECT:
        return False
    if not header and fault.kind == "no-shared":
        return True
    return fault.kind not in _FAULTS_OF_TLS and not (header and fault.kind == "alert")


def inside_places(target: Target, address: str) -> tuple[InsidePlace, ...]:
    """Return the connections to try in turn on the host itself."""
    headers = {"never": (False,), "always": (True,), "some-clients": (False, True)}[target.proxy_protocol]
    return tuple(InsidePlace(target.endpoint, address, sends_header) for sends_header in headers)


def inside_failure(target: Target, failure: ProbeFailure) -> ProbeFailure:
    """Return the failure of a connection on the host itself, with the header as its cause if that may be so."""
    is_about_header = failure.stage in _AFTER_CONNECT and failure.kind not in (*_FAULTS_OF_TLS, "proxy-protocol")
    if target.proxy_protocol == "never" or not is_about_header:
        return failure
    detail = f"it expects the PROXY protocol from its load balancer, and accepts no header {failure.detail}"
    return ProbeFailure("handshake", "proxy-protocol", f"{detail}; {_FROM_OUTSIDE}", failure.address)


def header_fault(fault: ProbeError, service: ProxyProtocol) -> ProbeError:
    """Return the fault of a service that accepted no header of ours; other faults are returned as they are."""
    if service == "never" or not is_about_header(fault, b""):
        return fault
    detail = f"it expects the PROXY protocol from its load balancer, and accepts no header from here: {fault.detail}"
    return ProbeError(fault.stage, "proxy-protocol", detail)
