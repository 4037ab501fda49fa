"""Unit tests of audit x509."""
