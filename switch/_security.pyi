# Only C functions, for `_evaluate.pyx`.
