"""Measures audits of hosts that are logged into by ssh, in overlays; the figures are part of those of a fleet."""
