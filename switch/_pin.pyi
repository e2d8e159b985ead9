# Only C functions, for `_link.pyx`.
