"""Unit tests of remediate."""
