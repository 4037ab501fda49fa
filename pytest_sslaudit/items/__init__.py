"""The tests of an audit: one for each check and endpoint, collected and run."""
