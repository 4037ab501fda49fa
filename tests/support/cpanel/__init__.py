"""Support for tests: cpanel."""
