"""Probes that compose a ClientHello byte by byte and read the first flight of the server: no TLS library takes part.

A handshake is abandoned after the first flight, so nothing is computed and nothing is encrypted.
"""
