"""Tests that use no socket and start no process."""
