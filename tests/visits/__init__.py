"""Tests of what is read in access logs, and told of it."""
