"""System tests of deployment."""
