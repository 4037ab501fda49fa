"""Tests of the repository: language, documentation, architecture and packaging."""
