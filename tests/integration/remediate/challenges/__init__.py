"""Integration tests of remediate challenges."""
