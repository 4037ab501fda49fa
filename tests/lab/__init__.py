"""The embedded lab: TLS services in pure Python, sound or with one planted fault each, and what must be found."""
