# Only C functions, for whoever decides about a bill.
