"""System tests of repair."""
