"""DNS from outside: the resolver, one query, iterative resolution from the root servers, and records."""
