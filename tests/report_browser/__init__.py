"""Tests that look at the report in headless Chromium."""
