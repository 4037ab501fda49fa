"""Unit tests of audit services."""
