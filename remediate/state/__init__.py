"""The state of the repair on disk: the schema of the journal, and how an older journal becomes one of today."""
