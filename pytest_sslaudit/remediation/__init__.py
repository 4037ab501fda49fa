"""The repair between two judgements of one run: `--remediate`."""
