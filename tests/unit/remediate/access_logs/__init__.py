"""Unit tests of remediate access logs."""
