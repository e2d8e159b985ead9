# The C functions are for `group_commit.pyx`, `_link.pyx` and `_intake.pyx`.
BACKLOG_BYTES_MAX: int
