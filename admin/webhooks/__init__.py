"""Webhooks: who is told of what, where it goes, and getting it there; `sender.py` is the process that does it."""
