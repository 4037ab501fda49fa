"""Values of the repair: no I/O, no clock, and no import of another package of the repair."""
