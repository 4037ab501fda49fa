"""Integration tests of audit x509."""
