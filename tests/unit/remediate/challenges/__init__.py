"""Self-tests of challenge types, as functions of what was seen."""
