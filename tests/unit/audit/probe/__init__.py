"""Unit tests of audit host."""
