"""Code that tests share: doubles, builders of certificates, and hosts."""
