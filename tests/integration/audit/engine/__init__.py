"""Integration tests of audit engine."""
