"""Support for tests: hosts."""
