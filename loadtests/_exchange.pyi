# Only C functions, for `_generator.pyx`.
