"""Chunks of endpoints and what is made of them, without sockets."""
