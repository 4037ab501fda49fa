"""Measurements, one module each: `python -m bench.probe`, `python -m bench.whole_audit`; `make bench` runs all."""
