"""Rows of a results file, written as an audit writes them: observations and findings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from audit.json_codec import format_time
from remediate.model.audit_results import audit_results_of
from remediate.model.options import RunLimits
from remediate.model.plan import Plan
from remediate.planning.planner import plan

Row = dict[str, Any]
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SUMMARY: Row = {"kind": "summary"}
REMEDIES = {
    "cert.expired": "reissue",
    "cert.self-signed": "reissue",
    "svc.certificate-missing": "reissue",
    "key.weak": "rekey",
    "chain.incomplete": "rechain",
    "svc.disk-vs-wire": "reload",
    "svc.multi-address": "reload",
    "key.permissions": "host",
    "key.mismatch": "reissue",
    "tls.old-protocol": "configure",
    "svc.config-missing-file": "configure",
    "dns.not-this-host": "dns",
    "dns.unresolvable": "dns",
    "dns.caa-missing": "dns",
    "dcv.http-unreachable": "host",
    "ops.clock-skew": "host",
    "host.name-invalid": "host",
}


def digest(text: str) -> str:
    """Return a digest to stand for a certificate or a key."""
    return sha256(text.encode()).hexdigest()


def seen(
    endpoint: str,
    names: Sequence[str] | None = ("www.example.com",),
    *,
    leaf: str | None = "old",
    key: str | None = "old-key",
    files: Sequence[Row] = (),
    service: str | None = "nginx",
    **further: Any,  # noqa: ANN401 - any field of the row
) -> Row:
    """Return an observation; the host is that of the id, `leaf` and `key` distinguish certificates."""
    is_inside = "/" in endpoint.partition("://")[0]
    label = endpoint.partition("/")[0]
    served = {"sha256": digest(leaf or ""), "spki_sha256": key and digest(key), "not_after": "2026-11-20T00:00:00Z"}
    return {
        "kind": "observation",
        "endpoint": endpoint,
        "host": f"ssh://root@{label}" if is_inside else None,
        "service": service if is_inside else None,
        "observed_at": format_time(NOW - timedelta(minutes=5)),
        "chain": [served] if leaf else [],
        "names": names if names is None else list(names),
        "installed": list(files),
        **further,
    }  # fmt: skip


def served_chain(leaf: str, *addresses: str, key: str = "old-key") -> Row:
    """Return one of the chains that an endpoint serves, and where."""
    certificate = {"sha256": digest(leaf), "spki_sha256": digest(key), "not_after": "2026-11-20T00:00:00Z"}
    return {"addresses": list(addresses), "key_type": "EC", "names": ["www.example.com"], "certificates": [certificate]}


def file(path: str, kind: str = "certificate", key: str | None = None, **further: Any) -> Row:  # noqa: ANN401 - any field of the row
    """Return a file that the configuration names."""
    return {"path": path, "kind": kind, "owner": "root", "group": "root", "mode": "0600",
            "spki_sha256": key and digest(key), **further}  # fmt: skip


def found(endpoint: str, check: str, **further: Any) -> Row:  # noqa: ANN401 - any field of the row
    """Return a finding; its remedy is the check's usual one."""
    label, inside, _ = endpoint.partition("://")[0].partition("/")
    return {
        "kind": "result",
        "endpoint": endpoint,
        "host": f"ssh://root@{label}" if inside else None,
        "service": None,
        "check": check,
        "verdict": "fail",
        "severity": "high",
        "message": f"{check} it is",
        "detail": {},
        "remedy": REMEDIES.get(check, "manual"),
        "source": "",
        "controls": [],
        "policy": "webpki",
        "waiver": None,
        "not_after": None,
        "observed_at": format_time(NOW - timedelta(minutes=5)),
        **further,
    }


def expired(
    *, name: str = "www.example.com", host: str = "web1", observed_at: str | None = "2026-11-23T02:55:00Z"
) -> tuple[Row, Row]:
    """Return an endpoint with an expired certificate of its own."""
    endpoint = f"{host}/https://{name}:443"
    return seen(endpoint, (name,), leaf=name, key=name, observed_at=observed_at), found(endpoint, "cert.expired")


def planned(*rows: Row, run_limits: RunLimits | None = None, now: datetime = NOW) -> Plan:
    """Return the plan for these rows of a run that finished."""
    return plan(audit_results_of([*rows, SUMMARY]), run_limits or RunLimits(), now)
