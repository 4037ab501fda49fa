"""Tests of how services' configurations are read."""
