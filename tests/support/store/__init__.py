"""Support for tests: store."""
