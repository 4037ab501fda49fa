"""Tests of the readers of services' configurations."""
