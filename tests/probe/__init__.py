"""Tests of the probe against real sockets."""
