"""Unit tests of audit path."""
