# Only C functions, for `_fastpath.pyx` and its neighbours.
