"""Keys and requests made on a host, what a CA issued, and the search for secrets in what leaves us."""
