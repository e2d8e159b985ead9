"""Load tests: a native generator with an audit (`python -m loadtests.bench`) and locust users; see README.md here."""
