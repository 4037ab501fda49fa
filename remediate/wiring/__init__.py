"""From the configuration to what a run of repairs may use."""
