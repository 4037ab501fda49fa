"""The reports of a run: results file, HTML, terminal."""
