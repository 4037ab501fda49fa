"""System tests of cpanel."""
