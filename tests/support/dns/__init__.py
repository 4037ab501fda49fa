"""Support for tests: dns."""
