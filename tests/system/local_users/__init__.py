"""System tests of local users."""
