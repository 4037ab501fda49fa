"""Unit tests of remediate notify."""
