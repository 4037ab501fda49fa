"""Runs an audit in further processes of this machine, or on others: what each audits, and what becomes of replies."""
