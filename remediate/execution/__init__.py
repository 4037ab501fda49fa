"""Executes a plan: cases, steps, rollback and the dry run."""
