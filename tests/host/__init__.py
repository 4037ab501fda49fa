"""Tests of hosts looked at from inside."""
