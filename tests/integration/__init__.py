"""Tests that use loopback sockets, processes and directories of this machine."""
