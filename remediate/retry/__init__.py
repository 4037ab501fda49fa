"""Computes when a case is tried again, and queues the job that continues a run."""
