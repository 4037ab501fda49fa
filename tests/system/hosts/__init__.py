"""System tests of hosts."""
