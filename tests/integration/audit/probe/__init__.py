"""Integration tests of audit probe."""
