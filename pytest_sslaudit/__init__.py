"""The pytest side of the audit: options, parametrization, verdicts to outcomes, reports."""
