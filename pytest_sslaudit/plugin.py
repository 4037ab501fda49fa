"""The hooks that are always there: cheap, and without effect until an audit is asked for."""
