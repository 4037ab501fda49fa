"""When a case is tried again, and the job that does it."""
