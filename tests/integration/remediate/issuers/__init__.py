"""Integration tests of remediate issuers."""
