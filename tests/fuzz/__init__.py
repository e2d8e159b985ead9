"""Hostile input: what the fuzz tests and the tests of bad input share."""
