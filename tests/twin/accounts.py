"""Sections 3 and 4: what is due on an account, whether a card may be used, where points lie and what a day counts."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AutoRecharge,
    CardFlag,
    CardStatus,
    CardTypeFlag,
    Function,
    PointsCategoryFlag,
    Reply,
)
from switch.protocol.records import GONE, MarkKind, RecordKind

from .calendar import first_of_month, month_of
from .state import Ask, Decision, Record, State

BALANCE_MINOR_MAX = 10**15
"""A credit may not lift a balance above this."""
POINTS_MAX_HUNDREDTHS = 4 * 10**18
"""No purse of points goes above this."""
HOLDS_MAX = 16
PENDING_MAX = 64
"""Pending records of one account; what would need one more is booked at once."""
POINTS_PURSE, VISITS_PURSE = 1 << 32, 2 << 32
NO_PIN = bytes(16)

# --------------------------------------------------------------------------- replies


def reply_of(ask: Ask, code: ResponseCode, decision: Decision, trace_number: int, sequence: int | None = None) -> Reply:
    """The reply to a decision, with its account as it is now; an inquiry names the sequence that it tells."""
    account = decision.shown
    return Reply(
        code=code,
        detail=decision.detail,
        trace_number=trace_number,
        business_date=ask.today,
        amount_minor=decision.amount_minor,
        balance_minor=account.balance_minor if account else 0,
        points_hundredths=decision.points_hundredths,
        points_balance_hundredths=account.points_hundredths if account else 0,
        journal_sequence=ask.sequence if sequence is None else sequence,
        available_minor=available(account) if account else 0,
        due_minor=decision.due_minor,
        discount_minor=decision.discount_minor,
        recharged_minor=decision.recharged_minor,
        round_off_minor=decision.round_off_minor,
        change_minor=decision.change_minor,
        more=decision.more + decision.issuer_answer,
    )


# --------------------------------------------------------------------------- money


def available(account: Record) -> int:
    """What may be spent."""
    return int(account.balance_minor - account.held_minor)


def limits_of(state: State, card_number: int) -> Record | None:
    """The card's own limits."""
    return state.tables.find(RecordKind.CARD_LIMIT, card_number)


def ceiling_of(state: State, card: Record, card_type: Record) -> int:
    """Highest balance that a credit by this card may lead to."""
    limits = limits_of(state, card.card_number)
    return min(card_type.ceiling_minor, limits.ceiling_minor) if limits else int(card_type.ceiling_minor)


def over_ceiling(state: State, card: Record, card_type: Record, balance_minor: int) -> ResponseCode | None:
    """Why a credit may not lead to this balance: the ceiling (68), or 10^15 (13)."""
    if balance_minor > ceiling_of(state, card, card_type):
        return ResponseCode.OVER_CEILING
    return ResponseCode.AMOUNT if balance_minor > BALANCE_MINOR_MAX else None


# --------------------------------------------------------------------------- counters of a date

ACCOUNT_COUNTERS = (
    "day_debit_minor",
    "day_points_hundredths",
    "day_recharge_minor",
    "day_debit_count",
    "day_recharge_count",
    "day_auto_count",
)
CARD_COUNTERS = ("day_debit_minor", "day_recharge_minor", "day_debit_count", "day_recharge_count")


def counted(record: Record | None, name: str, today: int) -> int:
    """A counter of today; counters of an earlier date count as zero, and so do those of a record that is not there."""
    return int(getattr(record, name)) if record is not None and record.business_date == today else 0


def count_today(record: Record, today: int) -> None:
    """Move the counters of an account or of card limits to today."""
    if record.business_date != today:
        for name in ACCOUNT_COUNTERS if record.kind == RecordKind.ACCOUNT else CARD_COUNTERS:
            setattr(record, name, 0)
        record.business_date = today


def limits_going_on(state: State, card_number: int, sequence: int) -> Record | None:
    """The card's own limits, if they counted an entry; of a card that was replaced or corrected those that go on."""
    card = state.tables.card(card_number)
    while card is not None and card.status in (CardStatus.REPLACED, CardStatus.CORRECTED):
        card = state.tables.card(card.successor_number)
    limits = limits_of(state, card.card_number) if card is not None else None
    return limits if limits is not None and sequence > limits.since_sequence else None


def count_debit(state: State, ask: Ask, account: Record, card_number: int, amount: int, decision: Decision) -> None:
    """A debit or hold of today, in the account and in the card's own limits."""
    for record in (account, limits_of(state, card_number)):
        if record is not None:
            count_today(record, ask.today)
            record.day_debit_minor += amount
            record.day_debit_count += 1
            decision.touch(record)


def uncount_debit(
    state: State,
    account: Record,
    card_number: int,
    sequence: int,
    date: int,
    amount: int,
    count: int,
    decision: Decision,
) -> None:
    """Take a debit or hold of a date out of the counters, where they still are of that date."""
    for record in (account, limits_going_on(state, card_number, sequence)):
        if record is not None and record.business_date == date:
            record.day_debit_minor -= amount
            record.day_debit_count -= count
            decision.touch(record)


# --------------------------------------------------------------------------- purses


def category_exists(state: State, category: int) -> bool:
    """Category 0 exists from the beginning."""
    return category == 0 or state.tables.find(RecordKind.POINTS_CATEGORY, category) is not None


def category_enabled(state: State, category: int) -> bool:
    """Whether a category exists and is ENABLED."""
    record = state.tables.find(RecordKind.POINTS_CATEGORY, category)
    return category == 0 if record is None else bool(record.flags & PointsCategoryFlag.ENABLED)


def purse_of(state: State, account: Record, category: int) -> Record | None:
    """Purse record of a category above 0."""
    return state.tables.find(RecordKind.PURSE, account.account_number, POINTS_PURSE | category)


def points_in(state: State, account: Record, category: int) -> int:
    """What a category's purse holds; 0 when there is none."""
    if category == 0:
        return int(account.points_hundredths)
    purse = purse_of(state, account, category)
    return int(purse.amount) if purse else 0


def pending_of(state: State, account: Record) -> list[Record]:
    """Points of the account that wait for their booking date, by category, then by date."""
    return state.tables.of_account(RecordKind.PENDING_POINTS, account.account_number)


def points_pending(state: State, account: Record, category: int) -> int:
    """Points of a category that wait, all dates together."""
    return sum(record.amount_hundredths for record in pending_of(state, account) if record.category == category)


def visits_of(state: State, account: Record, service: int) -> Record | None:
    """Purse of visits of a service."""
    return state.tables.find(RecordKind.PURSE, account.account_number, VISITS_PURSE | service)


def has_purses(state: State, account: Record, categories: set[int]) -> bool:
    """Whether every one of these categories has a purse or will find room for one."""
    new = [category for category in categories if category and purse_of(state, account, category) is None]
    return state.tables.has_room(RecordKind.PURSE, len(new))


def has_pending(state: State, account: Record, places: set[tuple[int, int]]) -> bool:
    """Whether every (category, booking date) has a pending record or will find room for one."""
    find, number = state.tables.find, account.account_number
    new = [place for place in places if find(RecordKind.PENDING_POINTS, number, *place) is None]
    return state.tables.has_room(RecordKind.PENDING_POINTS, len(new))


def add_points(state: State, account: Record, category: int, hundredths: int, decision: Decision) -> None:
    """Add to a category's purse, which is made when it is not there (room was checked before)."""
    if category == 0:
        account.points_hundredths += hundredths
        decision.touch(account)
        return
    purse = purse_of(state, account, category)
    if purse is None:
        key = {"account_number": account.account_number, "purse": POINTS_PURSE | category}
        purse = state.tables.make(RecordKind.PURSE, **key)
    purse.amount += hundredths
    decision.touch(purse)


def add_pending(
    state: State, account: Record, category: int, booking_date: int, hundredths: int, decision: Decision
) -> None:
    """Add to the points that are booked on a date to come."""
    record = state.tables.find(RecordKind.PENDING_POINTS, account.account_number, category, booking_date)
    if record is None:
        key = {"account_number": account.account_number, "category": category, "booking_date": booking_date}
        record = state.tables.make(RecordKind.PENDING_POINTS, **key)
    record.amount_hundredths += hundredths
    _tell_pending(state, account)
    decision.touch(record, account)


def _tell_pending(state: State, account: Record) -> None:
    """What the account says of its pending points, made anew."""
    left = pending_of(state, account)
    account.pending_count = len(left)
    account.pending_categories = sum(1 << category for category in {record.category for record in left})
    account.pending_from_date = min((record.booking_date for record in left), default=0)


def take_back(
    state: State, ask: Ask, account: Record, category: int, booking_date: int, hundredths: int, decision: Decision
) -> None:
    """Points go back to where they came from: the pending record, if it is to come and has them, else the purse."""
    record = state.tables.find(RecordKind.PENDING_POINTS, account.account_number, category, booking_date)
    if booking_date > ask.today and record is not None and record.amount_hundredths >= hundredths:
        record.amount_hundredths -= hundredths
        decision.touch(record)
    else:
        add_points(state, account, category, -hundredths, decision)


# --------------------------------------------------------------------------- holds


def holds_of(state: State, account: Record) -> list[Record]:
    """Open holds of an account in order of slot."""
    return state.tables.of_account(RecordKind.HOLD, account.account_number)


def open_hold(state: State, account: Record, hold_sequence: int) -> Record | None:
    """Open hold by its name."""
    return next((hold for hold in holds_of(state, account) if hold.hold_sequence == hold_sequence), None)


def free_hold(state: State, account: Record, hold: Record, decision: Decision) -> None:
    """The rest of a hold becomes free, and the limits of its date with it; the hold is gone."""
    rest = hold.amount_minor
    account.held_minor -= rest
    account.hold_slots &= ~(1 << hold.slot)
    count = 0 if hold.captured_minor else 1
    uncount_debit(state, account, hold.card_number, hold.hold_sequence, hold.business_date, rest, count, decision)
    hold.amount_minor, hold.state = 0, GONE
    decision.touch(account, hold)


# --------------------------------------------------------------------------- settling


def settle_card(state: State, ask: Ask, card_number: int, decision: Decision) -> None:
    """Settle the account of a card, if it is known and has one."""
    card, account = state.tables.card(card_number), state.tables.account_of(card_number)
    if card is not None and account is not None:
        settle(state, ask, state.tables.type_in_force(card.card_type, ask.today), account, decision)


def settle(state: State, ask: Ask, card_type: Record | None, account: Record, decision: Decision) -> None:
    """Section 3: holds that have expired, points that are due, recharges of the months that have begun."""
    release_expired(state, ask, account, decision)
    _book_pending(state, ask, account, decision)
    if card_type is not None and card_type.auto_mode == AutoRecharge.MONTHLY:
        _recharge_monthly(state, ask, card_type, account, decision)


def release_expired(state: State, ask: Ask, account: Record, decision: Decision) -> None:
    """Holds that have expired become free."""
    for hold in holds_of(state, account):
        if hold.expires_ms <= ask.now_ms:
            free_hold(state, account, hold, decision)


def _book_pending(state: State, ask: Ask, account: Record, decision: Decision) -> None:
    booked = False
    for record in pending_of(state, account):
        if record.booking_date <= ask.today and has_purses(state, account, {record.category}):
            add_points(state, account, record.category, record.amount_hundredths, decision)
            record.state = GONE
            decision.touch(record)
            booked = True
    if booked:
        _tell_pending(state, account)
        decision.touch(account)


def _recharge_monthly(state: State, ask: Ask, card_type: Record, account: Record, decision: Decision) -> None:
    this_month = month_of(ask.today)
    if account.auto_month == this_month or not state.tables.live_cards_of(account):
        return
    for month in range(_first_month(account, card_type, this_month), this_month + 1):
        day = first_of_month(month)
        begun = card_type.auto_from_date <= day
        ended = card_type.auto_until_date != 0 and day > card_type.auto_until_date
        if begun and not ended:
            recharge(account, card_type, card_type.ceiling_minor, decision)
    account.auto_month = this_month
    decision.touch(account)


def _first_month(account: Record, card_type: Record, this_month: int) -> int:
    if account.auto_month:
        return int(account.auto_month) + 1
    return month_of(card_type.auto_from_date) if card_type.auto_from_date else this_month + 1


def recharge(account: Record, card_type: Record, ceiling_minor: int, decision: Decision) -> bool:
    """One automatic recharge, unless it would pass the ceiling or 10^15."""
    balance = account.balance_minor + card_type.auto_add_minor
    if balance > min(ceiling_minor, BALANCE_MINOR_MAX):
        return False
    account.balance_minor = balance
    decision.recharged_minor += card_type.auto_add_minor
    decision.touch(account)
    return True


def recharge_before(
    state: State, ask: Ask, card: Record, card_type: Record, account: Record, card_part: int, decision: Decision
) -> None:
    """Automatic recharge before a debit or hold: below a threshold, or while too little is available."""
    ceiling = ceiling_of(state, card, card_type)

    def once() -> bool:
        if counted(account, "day_auto_count", ask.today) >= card_type.auto_count_max:
            return False
        if not recharge(account, card_type, ceiling, decision):
            return False
        count_today(account, ask.today)
        account.day_auto_count += 1
        return True

    if card_type.auto_mode == AutoRecharge.THRESHOLD and available(account) < card_type.auto_below_minor:
        once()
    if card_type.auto_mode == AutoRecharge.SHORTFALL:
        while available(account) < card_part and once():
            pass


def refuse_amount(
    state: State, ask: Ask, card: Record, card_type: Record, account: Record, card_part: int
) -> ResponseCode | None:
    """Rows 9 to 11 of a debit: limits of the type by the account's counters, and the card's own by its own."""
    limits = limits_of(state, card.card_number)
    bounds = [(card_type, account)] + ([(limits, limits)] if limits is not None else [])
    if any(card_part > bound.single_minor_max for bound, _ in bounds):
        return ResponseCode.SINGLE_AMOUNT
    if any(counted(c, "day_debit_count", ask.today) + 1 > bound.daily_count_max for bound, c in bounds):
        return ResponseCode.DAILY_COUNT
    if any(counted(c, "day_debit_minor", ask.today) + card_part > bound.daily_minor_max for bound, c in bounds):
        return ResponseCode.DAILY_AMOUNT
    return None


# --------------------------------------------------------------------------- may the card be used


def known_card(state: State, ask: Ask, card_number: int) -> tuple[Record, Record] | None:
    """Row 1: the card and the version of its type in force."""
    card = state.tables.card(card_number)
    card_type = state.tables.type_in_force(card.card_type, ask.today) if card else None
    return None if card is None or card_type is None else (card, card_type)


def refuse_use(
    ask: Ask,
    card: Record,
    card_type: Record,
    function: Function | int,
    decision: Decision,
    *,
    also_issued: bool = False,
) -> ResponseCode | None:
    """Rows 2 to 5 of section 4; None when the card may be used for the function (0: none is needed)."""
    if card.status != CardStatus.ACTIVE and not (also_issued and card.status == CardStatus.ISSUED):
        decision.detail = card.status
        return ResponseCode.CARD_STATUS
    if card.expiry_date and ask.today > card.expiry_date:
        return ResponseCode.EXPIRED
    if card.flags & CardFlag.BLACKLISTED:
        return ResponseCode.BLACKLISTED
    if function and not card_type.functions & function:
        return ResponseCode.FUNCTION_OFF
    return None


def usable_card(
    state: State,
    ask: Ask,
    card_number: int,
    function: Function | int,
    decision: Decision,
    *,
    settles: bool = True,
) -> tuple[Record, Record, Record] | ResponseCode:
    """Rows 1 to 5: (card, its type in force, its account, which is settled after row 1), or why not."""
    known = known_card(state, ask, card_number)
    if known is None:
        return ResponseCode.CARD_UNKNOWN
    if settles:
        settle_card(state, ask, card_number, decision)
    refusal = refuse_use(ask, *known, function, decision)
    return refusal if refusal is not None else (*known, state.tables.get(RecordKind.ACCOUNT, known[0].account_number))


def is_allowed(state: State, code: int, allowed_list: int, number: int) -> bool:
    """Whether a list of a card type has a store or an operator."""
    mark = state.tables.find(RecordKind.MARK, code << 8 | allowed_list, number, MarkKind.ALLOWED << 56)
    return mark is not None


def store_is_under(state: State, ask: Ask, node: int) -> bool:
    """Whether the terminal's store belongs to a node of the organisation, or to one below it."""
    at, seen = ask.organisation_id, set[int]()
    while at and at not in seen:
        if at == node:
            return True
        seen.add(at)
        record = state.tables.find(RecordKind.ORGANISATION, at)
        at = record.parent_id if record else 0
    return False


def refuse_store(state: State, ask: Ask, card_type: Record) -> ResponseCode | None:
    """Row 6: whether the terminal's store accepts cards of the type."""
    node = card_type.stores_organisation_id
    is_listed = not card_type.flags & CardTypeFlag.STORES_LISTED or is_allowed(state, card_type.code, 1, ask.store_id)
    return None if (node == 0 or store_is_under(state, ask, node)) and is_listed else ResponseCode.STORE_FORBIDDEN


def refuse_pin(card: Record, card_type: Record, pin: bytes, decision: Decision) -> ResponseCode | None:
    """Row 7: the PIN as the journal has it, 16 bytes of hash or none."""
    is_sent = pin not in (b"", NO_PIN)
    if not card_type.flags & CardTypeFlag.PIN_REQUIRED and (not is_sent or card.pin_hash == NO_PIN):
        return None
    return try_pin(card, card_type, pin if is_sent else NO_PIN, decision)


def try_pin(card: Record, card_type: Record, pin: bytes, decision: Decision) -> ResponseCode | None:
    """Compare a PIN with the card's; a wrong one counts, a right one takes earlier wrong ones back."""
    if card.flags & CardFlag.PIN_LOCKED:
        return ResponseCode.PIN_LOCKED
    if NO_PIN in (pin, card.pin_hash):
        return ResponseCode.PIN_REQUIRED
    if pin != card.pin_hash:
        card.pin_tries += 1
        if card.pin_tries >= card_type.pin_tries_max:
            card.flags |= CardFlag.PIN_LOCKED
        decision.touch(card)
        return ResponseCode.PIN_WRONG
    if card.pin_tries:
        card.pin_tries = 0
        decision.touch(card)
    return None
