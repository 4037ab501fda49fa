"""Evaluates checks over the facts of an endpoint: verdict, severity, waiver and result. Pure, and without pytest."""
