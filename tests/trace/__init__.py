"""A trace from the root servers, tried on a small tree of authoritative servers, honest and hostile."""
