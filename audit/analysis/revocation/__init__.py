"""Which certificates need a revocation status, and what it is by the responses that were fetched or stapled."""
