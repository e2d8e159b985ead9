"""Who sends what on which day: the year and the rules, as messages of the wire.

Days come one after the other, each with the chains of its cards.  Within a
card order matters, so a chain is sent strictly one after the other; between
cards nothing is shared, so all chains of a day may run at once.  Bodies are
encoded day by day, which keeps a replay of many clones in small memory.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from switch.protocol.layout import layout_of
from switch.protocol.limits import CARD_NUMBER_MAX
from switch.protocol.messages import DebitRequest, MessageType, ReversalRequest

from .rule_sections import RulesError
from .rule_set import rule_set
from .rules import Rules
from .year import HOUSEHOLD_ID_MAX, Basket, Year, card_number, card_type_index

CLONES_MAX = 999
"""Three of the nine household digits of a card number count clones."""
EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
FIRST_DATE = datetime.date(2017, 1, 1)
"""All cards exist from this date on, however late they are used first; monthly recharges follow on the first of"""
LAST_DATE = datetime.date(2017, 12, 31)
"""every later month up to this date, on which balances are asked for."""
REASON_CUSTOMER = 1

_debit_codec = layout_of(DebitRequest).codec
_reversal_codec = layout_of(ReversalRequest).codec


class Card(NamedTuple):
    """One card of one clone of one household."""

    household_id: int
    clone: int
    number: int
    type_index: int
    terminal_id: int
    """Terminal of its first purchase, which later asks for its balance."""


class Step(NamedTuple):
    """One message of a chain."""

    type: int
    terminal_id: int
    body: bytes
    basket_index: int
    is_duplicated: bool
    """Send the same bytes once more after the answer; the answers must be the same bytes, too."""


class Chain(NamedTuple):
    """What one card does on one day, in order."""

    clone: int
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Day:
    """One local day."""

    business_date: int
    """Days since 1970-01-01."""
    date: datetime.date
    midnight_ms: int
    """Local midnight that begins it, milliseconds since 1970-01-01 UTC."""
    blocked: list[int]
    """Card numbers that are frozen at midnight."""
    chains: list[Chain]


class _Event(NamedTuple):
    stamp_ms: int
    kind: int
    """0 purchase, 1 reversal: the order at the same moment."""
    basket_id: int
    basket_index: int


class Plan:
    """Everything that a replay sends after the set-up."""

    def __init__(self, year: Year, rules: Rules, clones: int = 1) -> None:
        """`RulesError` when a reversal would come too late for the switch's window of two business dates."""
        if not 1 <= clones <= CLONES_MAX:
            raise RulesError(f"clones: expected 1 to {CLONES_MAX}, got {clones}")
        self.year, self.rules, self.clones = year, rules, clones
        self._events: dict[int, list[_Event]] = defaultdict(list)
        self._local_dates: list[int] = []
        self._place_events()
        self.first_date = min([*self._events, FIRST_DATE.toordinal() - EPOCH_ORDINAL])
        """Business date of the set-up, days since 1970-01-01."""
        last_ms = max((event.stamp_ms for events in self._events.values() for event in events), default=0)
        self.last_stamp_ms = max(last_ms, self.midnight_ms(LAST_DATE.toordinal() - EPOCH_ORDINAL))
        """Stamp of the balance inquiries, milliseconds since 1970-01-01 UTC."""
        self.cards = self._make_cards()
        """Cards of all clones; the first clone's come first."""
        self.store_ids = sorted({basket.store_id for basket in year.baskets})
        self.rule_set = rule_set(rules, year, (card.household_id for card in self.cards), self.store_ids)
        self._numbers = {(card.household_id, card.clone): card.number for card in self.cards}
        self._next_trace: dict[int, int] = defaultdict(int)

    @property
    def message_count(self) -> int:
        """Messages of all days, without set-up, duplicates and blocking."""
        return sum(map(len, self._events.values())) * self.clones

    def local_date(self, basket_index: int) -> datetime.date:
        """Local date of a purchase."""
        return _date(self._local_dates[basket_index])

    def reversal_date(self, basket_index: int) -> datetime.date:
        """Local date of a purchase's reversal."""
        return _date(self._business_date(self._reversal_stamp_ms(self.year.baskets[basket_index])))

    def bill_minor(self, basket: Basket) -> int:
        """What a purchase comes to before the switch takes anything off, cents; may be 0 or below."""
        return basket.paid_minor if self.rules.due_is_paid else basket.sales_minor

    def midnight_ms(self, business_date: int) -> int:
        """Local midnight at which a business date begins, milliseconds since 1970-01-01 UTC."""
        midnight = datetime.datetime.combine(_date(business_date), datetime.time(), self.rules.timezone)
        return int(midnight.timestamp()) * 1000

    def days(self) -> Iterator[Day]:
        """Days in order; may be asked for once, because trace numbers rise with it."""
        blocked = self._blocked_cards()
        originals: dict[tuple[int, int], tuple[int, int]] = {}
        for business_date in sorted({*self._events, *blocked}):
            chains = self._chains(business_date, originals)
            yield Day(
                business_date,
                _date(business_date),
                self.midnight_ms(business_date),
                blocked.get(business_date, []),
                chains,
            )

    # ------------------------------------------------------------------- inside

    def _business_date(self, stamp_ms: int) -> int:
        return datetime.datetime.fromtimestamp(stamp_ms / 1000, self.rules.timezone).toordinal() - EPOCH_ORDINAL

    def _reversal_stamp_ms(self, basket: Basket) -> int:
        return basket.stamp_ms + self.rules.overlay.reversal_delay_s * 1000

    def _place_events(self) -> None:
        overlay = self.rules.overlay
        for index, basket in enumerate(self.year.baskets):
            business_date = self._business_date(basket.stamp_ms)
            self._local_dates.append(business_date)
            self._events[business_date].append(_Event(basket.stamp_ms, 0, basket.basket_id, index))
            if overlay.is_reversed(basket.basket_id):
                stamp_ms = self._reversal_stamp_ms(basket)
                reversal_date = self._business_date(stamp_ms)
                if reversal_date > business_date + 1:
                    raise RulesError(
                        f"overlay.reversal_delay_s: expected every reversal on the date of its purchase or the next,"
                        f" got {overlay.reversal_delay_s} s, which puts that of basket {basket.basket_id} on"
                        f" {_date(reversal_date)}, after {_date(business_date)}; choose a shorter delay"
                    )
                self._events[reversal_date].append(_Event(stamp_ms, 1, basket.basket_id, index))

    def _make_cards(self) -> list[Card]:
        first_terminals: dict[int, int] = {}
        for basket in self.year.baskets:
            first_terminals.setdefault(basket.household_id, basket.terminal_id)
        if (highest := max(first_terminals, default=0)) > HOUSEHOLD_ID_MAX:
            raise RulesError(
                f"household_id: expected at most {HOUSEHOLD_ID_MAX}, got {highest}; the card number has no room"
            )
        types = {h: card_type_index(h, self.year, self.rules.card_types) for h in first_terminals}
        cards = [
            Card(h, clone, card_number(h, types[h], clone), types[h], terminal_id)
            for clone in range(self.clones)
            for h, terminal_id in first_terminals.items()
        ]
        assert all(card.number <= CARD_NUMBER_MAX for card in cards)
        return cards

    def _blocked_cards(self) -> dict[int, list[int]]:
        """Card numbers by the business date on which they are blocked; nothing when that is after the last event."""
        overlay = self.rules.overlay
        numbers = [card.number for card in self.cards if overlay.is_blocked(card.household_id)]
        business_date = max(overlay.blocked_from.toordinal() - EPOCH_ORDINAL, self.first_date)
        if not numbers or business_date > max(self._events):
            return {}
        return {business_date: numbers}

    def _chains(self, business_date: int, originals: dict[tuple[int, int], tuple[int, int]]) -> list[Chain]:
        by_household: dict[int, list[_Event]] = defaultdict(list)
        for event in sorted(self._events.get(business_date, ())):
            by_household[self.year.baskets[event.basket_index].household_id].append(event)
        return [
            Chain(clone, [self._step(event, clone, business_date, originals) for event in events])
            for clone in range(self.clones)
            for events in by_household.values()
        ]

    def _step(
        self, event: _Event, clone: int, business_date: int, originals: dict[tuple[int, int], tuple[int, int]]
    ) -> Step:
        index = event.basket_index
        basket = self.year.baskets[index]
        terminal_id = basket.terminal_id
        trace_number = self._next_trace[terminal_id] = self._next_trace[terminal_id] + 1
        card = self._numbers[basket.household_id, clone]
        amount_minor = self.bill_minor(basket)
        # Packed by hand: a message object per line would cost more than sending it.
        if event.kind == 1:
            original_trace_number, original_date = originals.pop((clone, index))
            body = _reversal_codec.pack(
                trace_number,
                business_date,
                event.stamp_ms,
                card,
                amount_minor,
                original_trace_number,
                original_date,
                REASON_CUSTOMER,
                b"",
            )
            return Step(MessageType.REVERSAL, terminal_id, body, index, False)
        overlay = self.rules.overlay
        if overlay.is_reversed(basket.basket_id):
            originals[clone, index] = trace_number, business_date
        fixed = _debit_codec.pack(
            trace_number, business_date, event.stamp_ms, card, amount_minor, basket.line_count, 0, 0, 0, 0, b""
        )
        is_duplicated = overlay.is_duplicated(basket.basket_id)
        return Step(MessageType.DEBIT, terminal_id, fixed + self.year.lines_of(basket), index, is_duplicated)


def _date(business_date: int) -> datetime.date:
    return datetime.date.fromordinal(business_date + EPOCH_ORDINAL)
