"""Inspects hosts from inside: the scripts for a host, the paths and processes they may trust, and their output."""
