"""Integration tests of audit dns."""
