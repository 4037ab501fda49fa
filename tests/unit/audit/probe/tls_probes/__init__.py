"""Unit tests of audit probe tls_probes."""
