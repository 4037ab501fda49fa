"""Tests on real servers in overlays of this machine."""
