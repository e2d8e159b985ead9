"""The twin: every rule of the decision in plain Python, and the tests that hold the fast path against it."""
