"""The access logs of a host: who fetched a file, and when."""
