"""The repair: its decisions as pure functions, and its journal killed at every record."""
