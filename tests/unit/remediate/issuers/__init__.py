"""Unit tests of remediate issuers."""
