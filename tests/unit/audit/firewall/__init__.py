"""Unit tests of audit firewall."""
