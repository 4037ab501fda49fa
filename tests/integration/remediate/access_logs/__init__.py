"""Integration tests of remediate access logs."""
