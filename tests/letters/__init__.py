"""Notifications: what they say, how they are sent, and how the next attempt is queued."""
