"""Keys and CSRs made on a host, the chains that a CA issued, and the search for secrets in output."""
