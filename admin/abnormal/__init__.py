"""Abnormal transactions: rules that people define, a watcher of followed entries, findings to handle."""
