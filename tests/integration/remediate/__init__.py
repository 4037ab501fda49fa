"""Integration tests of remediate."""
