"""Runs an audit in further processes: which endpoints each of them audits, and what becomes of their replies."""
