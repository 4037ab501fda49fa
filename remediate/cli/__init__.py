"""The program `sslaudit repair`."""
