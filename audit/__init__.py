"""What is true of a TLS endpoint, and what should be: `from audit import check` marks a test function as a check."""

from audit.checks import check
from audit.verdict import inconclusive, not_applicable, require

__all__ = ["check", "inconclusive", "not_applicable", "require"]
