"""Support for tests: remediate."""
