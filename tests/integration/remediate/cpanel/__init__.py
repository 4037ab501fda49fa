"""Integration tests of remediate cpanel."""
