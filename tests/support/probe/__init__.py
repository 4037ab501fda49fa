"""Support for tests: probe."""
