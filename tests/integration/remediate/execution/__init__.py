"""Integration tests of remediate execution."""
