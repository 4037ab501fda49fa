"""Revocation: CRLs, OCSP responses, and the status that they give a certificate."""
