"""Looks at hosts from inside: the scripts that run there, what they may trust, and how their answers are read."""
