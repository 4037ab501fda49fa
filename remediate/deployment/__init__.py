"""Activates a version of a certificate on a host and reverts it; each kind of deployment has a module."""
