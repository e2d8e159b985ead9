"""Section 5: what a bill comes to, what the switch takes off it, what it earns. All rules are tried on all lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    TENDER_COUNT_MAX,
    BillLine,
    CardTypeFlag,
    Function,
    LineFlag,
    LineResult,
    RuleAction,
    RuleLayer,
    RulesetState,
    Tender,
    TenderKind,
)
from switch.protocol.records import RecordKind

from .accounts import (
    PENDING_MAX,
    POINTS_MAX_HUNDREDTHS,
    category_enabled,
    pending_of,
    points_in,
    points_pending,
)
from .calendar import weekday_of
from .state import Decision, Record, State

TEN_THOUSAND = 10_000
POINTS_PER_BILL_MAX_HUNDREDTHS = 10**15
VISITS_PER_TENDER_MAX = 10**6
CHANGE_MINOR_END = 2**32
POINTS_CATEGORIES = 64
SERVICE_MAX = 255
NO_RATE_PERCENT = 100
MULTIPLIED_LAYERS = (RuleLayer.POINTS_BRAND, RuleLayer.POINTS_PERIOD, RuleLayer.POINTS_CAMPAIGN)
BY_SPECIFICITY = (RuleLayer.POINTS_ITEM, RuleLayer.POINTS_RECHARGE)


# --------------------------------------------------------------------------- bills


@dataclass(slots=True)
class Line:
    """One line of a bill, and what became of it."""

    asked: BillLine
    amount: int
    unit_price: int = 0
    """From the price list; 0 when the till priced the line."""
    discount: int = 0
    points: int = 0
    """Hundredths."""
    category: int = 0
    booking_days: int = 0

    @property
    def result(self) -> LineResult:
        """As the reply tells it; a line without points names no category."""
        return LineResult(
            points_hundredths=self.points,
            discount_minor=self.discount,
            unit_price_minor=self.unit_price,
            points_category=self.category if self.points else 0,
            booking_days=self.booking_days if self.points else 0,
        )


@dataclass(slots=True)
class Bill:
    """All that prices, discounts and points depend on."""

    card_type: Record
    level: int
    segments: int
    store_id: int
    terminal_id: int
    settlement: int
    date: int
    minute: int
    amount: int
    """The request's."""
    asked_lines: tuple[BillLine, ...] = ()
    is_priced: bool = False
    rules: list[Record] = field(default_factory=list)
    """Of the set in force on the date."""
    lines: list[Line] = field(default_factory=list)
    total: int = 0
    """What the bill comes to before discount."""
    discount: int = 0

    @property
    def due(self) -> int:
        """What is to be paid."""
        due = self.total - self.discount
        return max(0, due) if self.card_type.flags & CardTypeFlag.ZERO_AMOUNT else due

    @property
    def points(self) -> int:
        """Points of all lines together."""
        return sum(line.points for line in self.lines)

    @property
    def more(self) -> bytes:
        """Line results behind a reply; nothing when no line has anything to say."""
        has_something = self.is_priced or any(line.points or line.discount for line in self.lines)
        if not self.asked_lines:
            has_something = any(line.points and (line.category or line.booking_days) for line in self.lines)
        if not has_something:
            return b""
        return b"".join(line.result.encode() for line in self.lines)


def are_bounded(amount: int, lines: tuple[BillLine, ...]) -> bool:
    """Whether the amounts of a request are small enough to be added up."""
    total = sum(abs(line.amount_minor) for line in lines)
    return abs(amount) <= AMOUNT_MINOR_MAX and total <= AMOUNT_MINOR_MAX


def price(state: State, bill: Bill) -> ResponseCode | None:
    """Amounts of all lines; the code says why it cannot be done."""
    bill.rules = rules_in_force(state, bill.date)
    if not bill.is_priced:
        lines = bill.asked_lines or (BillLine(amount_minor=bill.amount),)
        bill.lines = [Line(line, line.amount_minor) for line in lines]
        bill.total = bill.amount
        return None
    if not bill.asked_lines or any(line.amount_minor for line in bill.asked_lines):
        return ResponseCode.AMOUNT
    for line in bill.asked_lines:
        unit_price = unit_price_of(state, line.item, bill.card_type.price_class, bill.date)
        if unit_price is None:
            return ResponseCode.PRICE_UNKNOWN
        bill.lines.append(Line(line, times_quantity(unit_price, line.quantity_milli), unit_price))
    if sum(abs(line.amount) for line in bill.lines) > AMOUNT_MINOR_MAX:
        return ResponseCode.AMOUNT
    bill.total = sum(line.amount for line in bill.lines)
    return None


def unit_price_of(state: State, item: int, price_class: int, date: int) -> int | None:
    """Price of an article in a class, else its retail price; a price that is to come is none yet."""
    for wanted in (price_class, 0):
        record = state.tables.find(RecordKind.PRICE, item, wanted)
        if record is None:
            continue
        has_next = record.next_from_date != 0 and record.next_from_date <= date
        price = record.next_unit_price_minor if has_next else record.unit_price_minor
        if price >= 0:
            return int(price)
    return None


def times_quantity(unit_price: int, quantity_milli: int) -> int:
    """Unit price times quantity, rounded half up: floor(x + 1/2), also below zero."""
    return (2 * unit_price * quantity_milli + 1000) // 2000


# --------------------------------------------------------------------------- rules


def rules_in_force(state: State, date: int) -> list[Record]:
    """Rules of the active set with the largest from_date that is not after a date."""
    begun = [
        ruleset
        for ruleset in state.tables.all(RecordKind.RULESET)
        if ruleset.state == RulesetState.ACTIVE and ruleset.from_date <= date
    ]
    if not begun:
        return []
    number = max(begun, key=lambda ruleset: ruleset.from_date).ruleset
    return [rule for rule in state.tables.all(RecordKind.RULE) if rule.ruleset == number]


def matches(rule: Record, bill: Bill, line: BillLine) -> bool:
    """Whether every field of the rule that is not 0 fits."""
    wanted_and_there = (
        (rule.card_type, bill.card_type.code),
        (rule.level, bill.level),
        (rule.item, line.item),
        (rule.department, line.department),
        (rule.category, line.category),
        (rule.brand, line.brand),
        (rule.store_id, bill.store_id),
        (rule.terminal_id, bill.terminal_id),
    )
    return (
        all(wanted in (0, there) for wanted, there in wanted_and_there)
        and rule.from_date <= bill.date
        and (rule.until_date == 0 or bill.date <= rule.until_date)
        and (rule.weekdays == 0 or bool(rule.weekdays >> weekday_of(bill.date) - 1 & 1))
        and rule.from_minute <= bill.minute < (rule.until_minute or 1440)
        and (rule.settlements == 0 or bool(rule.settlements >> bill.settlement & 1))
        and (rule.segments == 0 or bool(rule.segments & bill.segments))
        and (rule.bill_minor_min == 0 or rule.bill_minor_min <= bill.total)
    )


def specificity(rule: Record) -> int:
    """How closely a rule describes what it is for."""
    has_period = any((rule.from_date, rule.until_date, rule.weekdays, rule.from_minute, rule.until_minute))
    fields = (rule.card_type, rule.level, rule.item, rule.category, rule.department, rule.brand, has_period)
    return sum(bool(wanted) << 6 - place for place, wanted in enumerate(fields))


def matching(bill: Bill, line: BillLine, layer: RuleLayer) -> list[Record]:
    """Rules of a layer that match a line, best first."""

    def order(rule: Record) -> tuple[int, ...]:
        detail = specificity(rule) if layer in BY_SPECIFICITY else 0
        return (rule.action != RuleAction.EXCLUDE, -detail, -rule.priority, -rule.rate, rule.rule)

    return sorted((rule for rule in bill.rules if rule.layer == layer and matches(rule, bill, line)), key=order)


def refuse_goods(bill: Bill, decision: Decision) -> ResponseCode | None:
    """The first line that may not be paid with the card."""
    for place, line in enumerate(bill.lines):
        if line.amount > 0 and matching(bill, line.asked, RuleLayer.FORBID):
            decision.detail = place
            return ResponseCode.PRODUCT_FORBIDDEN
    return None


# --------------------------------------------------------------------------- shares


def one_more_each(floors: list[int], remainders: list[int], total: int) -> list[int]:
    """Floors raised by one in order of falling remainder (lower place first) until they sum to the total."""
    shares = list(floors)
    order = sorted(range(len(shares)), key=lambda place: -remainders[place])
    for place in order[: total - sum(floors)]:
        shares[place] += 1
    assert sum(shares) == total, (floors, remainders, total)
    return shares


# --------------------------------------------------------------------------- discount


def take_discount(bill: Bill) -> None:
    """What the switch takes off, line by line."""
    if not bill.card_type.functions & Function.DISCOUNT:
        return
    exact = [_exact_discount(bill, line) for line in bill.lines]
    floors = [x // TEN_THOUSAND for x in exact]
    bill.discount = sum(floors)
    if not bill.card_type.flags & CardTypeFlag.ROUND_DISCOUNT_LINES:
        bill.discount = sum(exact) // TEN_THOUSAND
        floors = one_more_each(floors, [x % TEN_THOUSAND for x in exact], bill.discount)
    for line, discount in zip(bill.lines, floors, strict=True):
        line.discount = discount


def _exact_discount(bill: Bill, line: Line) -> int:
    """The best discount of one line in ten-thousandths of a minor unit."""
    if line.amount <= 0 or line.asked.flags & LineFlag.NO_DISCOUNT:
        return 0
    rules = matching(bill, line.asked, RuleLayer.DISCOUNT)
    if rules and rules[0].action == RuleAction.EXCLUDE:
        return 0
    offers = [line.amount * bill.card_type.discount_bp]
    for rule in rules:
        if rule.action == RuleAction.MULTIPLY:
            offers.append(line.amount * rule.rate)
        elif line.asked.quantity_milli > 0:
            fixed = times_quantity(rule.unit_price_minor, line.asked.quantity_milli)
            offers.append(max(0, line.amount - fixed) * TEN_THOUSAND)
    return int(max(offers))


# --------------------------------------------------------------------------- tenders


@dataclass(slots=True)
class Payment:
    """How a bill is paid."""

    card_part: int
    round_off: int = 0
    change: int = 0
    points: dict[int, int] = field(default_factory=dict)
    """Amount by points category."""
    visits: dict[int, int] = field(default_factory=dict)
    """Visits by service."""
    is_card_alone: bool = True
    """No tender of another kind than CARD."""


def pay(due: int, tenders: tuple[Tender, ...], round_off_unit: int) -> Payment | None:
    """The tenders of a bill, or None when they do not add up."""
    if not tenders:
        return Payment(card_part=due)
    if due < 0 or len(tenders) > TENDER_COUNT_MAX or not all(_is_readable(tender) for tender in tenders):
        return None
    once = [(t.kind, t.purse) for t in tenders if t.kind != TenderKind.OTHER]
    if len(set(once)) < len(once):
        return None
    by_kind: dict[int, int] = {}
    for tender in tenders:
        by_kind[tender.kind] = by_kind.get(tender.kind, 0) + tender.amount_minor
    cash = by_kind.pop(TenderKind.CASH, None)
    rest = due - sum(by_kind.values())
    payment = Payment(
        card_part=by_kind.get(TenderKind.CARD, 0),
        points={t.purse: t.amount_minor for t in tenders if t.kind == TenderKind.POINTS},
        visits={t.purse: t.count for t in tenders if t.kind == TenderKind.VISITS},
        is_card_alone=all(t.kind == TenderKind.CARD for t in tenders),
    )
    if cash is None:
        return payment if rest == 0 else None
    payment.round_off = rest % round_off_unit if round_off_unit else 0
    payment.change = cash - (rest - payment.round_off)
    return payment if rest >= 0 and 0 <= payment.change < CHANGE_MINOR_END else None


def _is_readable(tender: Tender) -> bool:
    if tender.kind not in set(TenderKind) or not 0 <= tender.amount_minor <= AMOUNT_MINOR_MAX:
        return False
    if tender.kind == TenderKind.POINTS:
        return tender.count == 0 and tender.purse < POINTS_CATEGORIES
    if tender.kind == TenderKind.VISITS:
        return 1 <= tender.count <= VISITS_PER_TENDER_MAX and 1 <= tender.purse <= SERVICE_MAX
    return tender.count == 0 and tender.purse == 0


# --------------------------------------------------------------------------- points


def earn(
    state: State, bill: Bill, account: Record, *, shared: int, day_points: int, capping: Record | None = None
) -> None:
    """Points of every line, caps included. `shared`: round-off and points tenders, which earn nothing.

    `capping`: type whose daily maximum counts, if it is not the bill's (a sale of an earlier date).
    """
    card_type = bill.card_type
    if not card_type.functions & Function.POINTS:
        return
    shares = _shares(bill, shared)
    exact = [_bounded(_exact_points(state, bill, line, share)) for line, share in zip(bill.lines, shares, strict=True)]
    grain, hundredths = grain_of(card_type)
    if card_type.flags & CardTypeFlag.ROUND_LINES:
        grains = [max(0, n) // grain for n in exact]
    elif sum(exact) < 0:
        grains = [0] * len(exact)
    else:
        grains = one_more_each([n // grain for n in exact], [n % grain for n in exact], sum(exact) // grain)
    for line, count in zip(bill.lines, grains, strict=True):
        line.points = count * hundredths
    _cap(state, bill.lines, account, _points_max(capping or card_type, day_points))


def _bounded(exact: int) -> int:
    """A line earns 10^16 points at most, whatever rates are stacked on each other."""
    return max(-(10**28), min(exact, 10**28))


def grain_of(card_type: Record) -> tuple[int, int]:
    """What points are rounded down to, in 10^-12 of a point and in hundredths."""
    return (10**10, 1) if card_type.flags & CardTypeFlag.FINE_POINTS else (10**12, 100)


def _shares(bill: Bill, shared: int) -> list[int]:
    """What each line bears of what earns nothing."""
    weights = [max(0, line.amount - line.discount) for line in bill.lines]
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    products = [shared * weight for weight in weights]
    return one_more_each([p // whole for p in products], [p % whole for p in products], shared)


def _exact_points(state: State, bill: Bill, line: Line, share: int) -> int:
    """Points of one line in 10^-12 of a point; names their category and booking."""
    flags = bill.card_type.flags
    base = line.amount - share
    if flags & CardTypeFlag.AFTER_DISCOUNT:
        base -= line.discount
    if base < 0 and (flags & CardTypeFlag.ROUND_LINES or not flags & CardTypeFlag.NET_LINES):
        base = 0
    if line.asked.flags & LineFlag.NO_POINTS:
        return 0
    item, *others = (
        next(iter(matching(bill, line.asked, layer)), None) for layer in (RuleLayer.POINTS_ITEM, *MULTIPLIED_LAYERS)
    )
    if any(rule is not None and rule.action == RuleAction.EXCLUDE for rule in (item, *others)):
        return 0
    if item is not None:
        line.category, line.booking_days = item.points_category, item.booking_days
    if not category_enabled(state, line.category):
        return 0
    if item is not None and item.action == RuleAction.REPLACE:
        return int(base * item.rate * bill.card_type.points_per_unit * 10**8)
    rates = [NO_RATE_PERCENT if rule is None else rule.rate for rule in (item, *others)]
    n = base * bill.card_type.points_per_unit * bill.card_type.points_percent
    if flags & CardTypeFlag.STACK_MAX:
        return int(n * (0 if 0 in rates else max(rates)) * 10**6)
    for rate in rates:
        n *= rate
    return int(n)


def _points_max(card_type: Record, day_points: int) -> int:
    """Points that one bill may earn: what the day has left, at most 10^15."""
    return int(min(max(0, card_type.daily_points_max_hundredths - day_points), POINTS_PER_BILL_MAX_HUNDREDTHS))


def _cap(state: State, lines: list[Line], account: Record, total_max: int) -> None:
    """Take from the last lines what passes the day's maximum, then what a purse cannot hold."""
    _take_from_last(lines, sum(line.points for line in lines) - total_max)
    for category in sorted({line.category for line in lines}):
        of_category = [line for line in lines if line.category == category]
        there = points_in(state, account, category) + points_pending(state, account, category)
        _take_from_last(of_category, there + sum(line.points for line in of_category) - POINTS_MAX_HUNDREDTHS)
    if sum(line.points for line in lines) < 0:
        for line in lines:
            line.points = 0


def _take_from_last(lines: list[Line], excess: int) -> None:
    for line in reversed(lines):
        taken = min(max(0, line.points), max(0, excess))
        line.points -= taken
        excess -= taken


def book_at_once(state: State, account: Record, date: int, lines: list[Line]) -> None:
    """Lines whose points would need one pending record too many do not wait."""
    there = {(record.category, record.booking_date) for record in pending_of(state, account)}
    for line in lines:
        place = (line.category, date + line.booking_days)
        if line.points and line.booking_days and place not in there:
            if len(there) >= PENDING_MAX:
                line.booking_days = 0
            else:
                there.add(place)


def scale_points(bill: Bill, part: int, due: int) -> None:
    """A partial approval: points of every line in proportion, rounded down to the grain."""
    hundredths = grain_of(bill.card_type)[1]
    for line in bill.lines:
        line.points = line.points * part // due // hundredths * hundredths
    if bill.points < 0:
        for line in bill.lines:
            line.points = 0


def earn_recharge(state: State, bill: Bill, account: Record, *, day_points: int) -> tuple[int, int]:
    """(category, hundredths) that a recharge earns: a bill of no line, by the rules for recharges."""
    if not bill.card_type.functions & Function.POINTS:
        return 0, 0
    bill.rules, bill.total = rules_in_force(state, bill.date), bill.amount
    rules = matching(bill, BillLine(amount_minor=0), RuleLayer.POINTS_RECHARGE)
    if not rules or rules[0].action == RuleAction.EXCLUDE or not category_enabled(state, rules[0].points_category):
        return 0, 0
    line = Line(BillLine(amount_minor=bill.amount), bill.amount, category=rules[0].points_category)
    grain, hundredths = grain_of(bill.card_type)
    line.points = bill.amount * rules[0].rate * bill.card_type.points_per_unit * 10**8 // grain * hundredths
    _cap(state, [line], account, _points_max(bill.card_type, day_points))
    return line.category, line.points


def bill_of(card_type: Record, account: Record | None, **more: Any) -> Bill:
    """A bill of an account's holder: level and segments are the account's."""
    level, segments = (account.level, account.segments) if account is not None else (0, 0)
    return Bill(card_type=card_type, level=level or card_type.level, segments=segments, **more)
