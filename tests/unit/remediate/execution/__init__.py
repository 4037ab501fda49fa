"""Unit tests of remediate execution."""
