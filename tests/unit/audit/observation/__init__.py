"""Unit tests of audit observation."""
