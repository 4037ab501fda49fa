"""Unit tests of audit checks."""
