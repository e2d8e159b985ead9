"""Abnormal transactions: rules that people define, a watcher that looks at followed entries once each, hits to handle."""
