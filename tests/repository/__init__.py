"""Tests of the repository: documentation, architecture and packaging."""
