"""The access logs of a host: which clients requested a challenge file, and when."""
