"""What is true of a TLS endpoint, and what should be: `from audit import check` marks a test function as a check.

The names of `__all__` are the public interface; docs/api.md describes them. Those that a check needs are imported at
once. Each of the others is imported when it is first used, so that `import audit` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from audit.checks import check
from audit.verdict import inconclusive, not_applicable, require

if TYPE_CHECKING:
    from audit.endpoint import Endpoint, parse_endpoint
    from audit.evaluation.evaluate import evaluate
    from audit.evaluation.result import Result
    from audit.observation import Handshake, HostView, Observation
    from audit.policy import Policy, load_profile
    from audit.probe import observe
    from audit.verdict import Finding, Remedy, Severity, Verdict
    from audit.x509.certificate import Certificate, read_certificate
    from audit.x509.loading import UnreadableField
    from audit.x509.path.served_chain import Chain
    from audit.x509.path.validator import validate_path

_MODULES: Final = {
    "Certificate": "audit.x509.certificate",
    "Chain": "audit.x509.path.served_chain",
    "Endpoint": "audit.endpoint",
    "Finding": "audit.verdict",
    "Handshake": "audit.observation",
    "HostView": "audit.observation",
    "Observation": "audit.observation",
    "Policy": "audit.policy",
    "Remedy": "audit.verdict",
    "Result": "audit.evaluation.result",
    "Severity": "audit.verdict",
    "UnreadableField": "audit.x509.loading",
    "Verdict": "audit.verdict",
    "evaluate": "audit.evaluation.evaluate",
    "load_profile": "audit.policy",
    "observe": "audit.probe",
    "parse_endpoint": "audit.endpoint",
    "read_certificate": "audit.x509.certificate",
    "validate_path": "audit.x509.path.validator",
}
"""The module of every name that is imported when it is first used (PEP 562)."""

__all__ = [
    "Certificate",
    "Chain",
    "Endpoint",
    "Finding",
    "Handshake",
    "HostView",
    "Observation",
    "Policy",
    "Remedy",
    "Result",
    "Severity",
    "UnreadableField",
    "Verdict",
    "check",
    "evaluate",
    "inconclusive",
    "load_profile",
    "not_applicable",
    "observe",
    "parse_endpoint",
    "read_certificate",
    "require",
    "validate_path",
]


if not TYPE_CHECKING:  # or a type checker takes every name for one of `audit`

    def __getattr__(name: str) -> object:
        """Import a public name and keep it; raises AttributeError if the name is not public."""
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(module), name)
        return value
