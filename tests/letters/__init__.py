"""What is told to the administrator, how it is handed over, and how the next try is queued."""
