"""Integration tests of remediate deployment."""
