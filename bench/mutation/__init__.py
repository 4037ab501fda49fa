"""Mutation of source files: `operators.py` makes the edits, `trial.py` runs tests on them in a copy of the checkout."""
