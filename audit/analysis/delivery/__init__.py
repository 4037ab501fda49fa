"""What a server delivers beside its certificates: a stapled OCSP response, and SCTs."""
