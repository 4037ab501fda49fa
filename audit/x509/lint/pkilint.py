"""Checks a certificate against the whole Baseline Requirements with the library `pkilint`, if it is installed.

The library is slow and an optional extra, so it is imported only when the first certificate is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final

from audit.x509.loading import unwarned

INSTALL_PKILINT: Final = "pkilint is not installed: pip install pytest-sslaudit[lint]"

_Linter = Callable[[bytes], tuple[str, ...]]


def is_installed() -> bool:
    """Return whether the library is installed."""
    return _loaded() is not None


def full_lint(der: bytes) -> tuple[str, ...]:
    """Return one message per error that the library finds.

    Raises LookupError if it is not installed, and ValueError if it cannot read or judge the certificate.
    """
    judge = _loaded()
    if judge is None:
        raise LookupError(INSTALL_PKILINT)
    with unwarned():
        return judge(der)


@cache
def _loaded() -> _Linter | None:
    """Return the function that lints a certificate with the library; None if it is not installed."""
    try:
        with unwarned():
            from pkilint import finding_filter, loader  # noqa: PLC0415 - an extra, and a second to import
            from pkilint.cabf import serverauth  # noqa: PLC0415 - as above
            from pkilint.pkix import certificate  # noqa: PLC0415 - as above
    except ImportError:
        return None

    @cache
    def validator_of(kind: Any) -> tuple[Any, Any]:  # noqa: ANN401 - the library has no types
        validators = serverauth.create_decoding_validators(), serverauth.create_validators(kind)
        container = certificate.create_pkix_certificate_validator_container(*validators)
        return container, serverauth.create_serverauth_finding_filters(kind)

    @lru_cache(maxsize=4096)
    def judge(der: bytes) -> tuple[str, ...]:
        document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, "leaf", "leaf")
        container, filters = validator_of(serverauth.determine_certificate_type(document))
        results, _ = finding_filter.filter_results(filters, container.validate(document.root))
        return _errors([description for result in results for description in result.finding_descriptions])

    return judge


def _errors(descriptions: list[Any]) -> tuple[str, ...]:
    """Return the errors; raises ValueError if there is none and the library could not finish."""
    by_severity: dict[str, list[str]] = {}
    for description in descriptions:
        code, message = description.finding.code, description.message
        text = f"{code}: {message}" if message else code
        by_severity.setdefault(description.finding.severity.name, []).append(text)
    errors = tuple(dict.fromkeys(by_severity.get("ERROR", ())))
    if not errors and "FATAL" in by_severity:
        raise ValueError("; ".join(by_severity["FATAL"]))
    return errors
