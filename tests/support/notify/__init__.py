"""Support for tests: notify."""
