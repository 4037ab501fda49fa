"""Unit tests of audit config."""
