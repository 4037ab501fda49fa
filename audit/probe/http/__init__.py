"""HTTP from outside: one bounded request, redirects, TLS for other clients, and the requests that a CA would send."""
