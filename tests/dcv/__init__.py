"""Domain control validation: the file, put where it belongs and nowhere else, and what a CA would see of it."""
