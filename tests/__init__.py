"""The tests, the labs they run against, and what they share."""
