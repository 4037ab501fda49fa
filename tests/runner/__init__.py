"""Tests of the loop that repairs: hosts that are folders, and runs over several cases."""
