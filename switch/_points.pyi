# Only C functions, for `_link.pyx` and `group_commit.pyx`.
