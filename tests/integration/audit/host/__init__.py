"""Integration tests of audit host."""
