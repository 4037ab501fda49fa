"""Real TLS servers whose configuration is the truth that a prober has to find."""
