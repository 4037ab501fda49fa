"""Integration tests of remediate state."""
