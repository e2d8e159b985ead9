from switch._rules import Rules
from switch._tables import Tables

def price(
    tables: Tables,
    rules: Rules,
    card_type: bytes,
    account: bytes,
    amount_minor: int,
    lines: bytes = b"",
    *,
    discounts: bool = True,
    shared_minor: int = 0,
    day_points: int = 0,
    repeats: int = 1,
    **sale: int,
) -> tuple[int, int, int, bool, int, bytes]: ...
def price_recharge(
    tables: Tables,
    rules: Rules,
    card_type: bytes,
    account: bytes,
    amount_minor: int,
    *,
    day_points: int = 0,
    **sale: int,
) -> tuple[int, int]: ...
