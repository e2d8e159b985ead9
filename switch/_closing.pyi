from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit

def day_rows(
    answers: AnswerWindow,
    commit: GroupCommit,
    terminal_id: int,
    business_date: int,
    first_trace: int,
    last_trace: int,
    rows_max: int | None = None,
) -> tuple[bytes, int] | None: ...
