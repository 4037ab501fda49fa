"""Integration tests of remediate cli."""
