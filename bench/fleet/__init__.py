"""Measures what a fleet costs: the figures of docs/performance.md, each beside its bound and its peer."""
