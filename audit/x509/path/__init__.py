"""Certification paths (RFC 5280 6): building, validating, and the chain that a server sends."""
