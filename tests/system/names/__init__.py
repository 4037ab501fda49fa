"""System tests of names."""
