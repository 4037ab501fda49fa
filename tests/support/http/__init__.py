"""Support for tests: http."""
