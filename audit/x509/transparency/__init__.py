"""Signed certificate timestamps (SCTs, RFC 6962): their lists, the logs that sign them, and what browsers require."""
