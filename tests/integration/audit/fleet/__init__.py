"""Chunks of endpoints that are observed on this machine."""
