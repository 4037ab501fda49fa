"""Support for tests: x509."""
