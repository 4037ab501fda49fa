"""Observes endpoints from outside: which addresses their names have, and what each of these answers."""

from audit.probe.target import Inside, Limits, Target

__all__ = ["Inside", "Limits", "Target"]
