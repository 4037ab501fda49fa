"""Unit tests of remediate pki."""
