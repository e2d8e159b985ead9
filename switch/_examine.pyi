# Only C functions, for `_fastpath.pyx`.
