"""System tests of daemons."""
