"""Builds what a run of repairs uses from the configuration."""
