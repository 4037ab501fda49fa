"""Certificates, keys, paths and revocation: pure reading and judgement of X.509."""
