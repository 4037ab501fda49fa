"""Notifications: what is reported to whom, and how it is delivered."""
