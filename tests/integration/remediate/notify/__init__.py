"""Integration tests of remediate notify."""
