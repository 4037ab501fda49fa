"""Pure analysis: from an observation to what a check asserts."""
