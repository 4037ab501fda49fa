"""Unit tests of remediate planning."""
