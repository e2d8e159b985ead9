"""What a stream of messages is made with: a clock that passes, terminals with their traces, messages from fields."""

from __future__ import annotations

import random
import struct
from collections import defaultdict, deque
from typing import Any, NamedTuple

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    REQUESTS,
    BillLine,
    DebitRequest,
    Header,
    ReversalRequest,
    Right,
)

from .model import STAMP_MS_MAX, Twin, local_date
from .wire import HEADER_BYTES
from .world import TERMINALS, World

DAY_MS = 86_400_000
I64_MIN, I64_MAX = -(2**63), 2**63 - 1
TYPE_OF = {form: message_type for message_type, form in REQUESTS.items()}


def to_i64(value: int) -> int:
    """The nearest value that fits 64 bits."""
    return max(I64_MIN, min(I64_MAX, value))


class Sent(NamedTuple):
    """One message on its way."""

    terminal_id: int
    message: bytes


class Named(NamedTuple):
    """What a reversal says of the message that it undoes."""

    terminal_id: int
    trace_number: int
    business_date: int
    card_number: int
    amount_minor: int


def name_of(sent: Sent, card_number: int, amount_minor: int) -> Named:
    """What a reversal of a keyed message must name."""
    trace_number, business_date = struct.unpack_from("<II", sent.message, HEADER_BYTES)
    return Named(sent.terminal_id, trace_number, business_date, card_number, amount_minor)


class Sender:
    """All terminals of a world, their clock and what they have sent so far."""

    def __init__(self, world: World, twin: Twin) -> None:
        self.world = world
        self.twin = twin
        self.rng = random.Random(f"traffic {world.seed}")
        self.now_ms = world.start_ms
        self.header_sequence = 0
        self.slow_messages = 0
        """Messages still to come within milliseconds of midnight."""
        self.traces: dict[int, int] = defaultdict(int)
        self.sent: deque[Sent] = deque(maxlen=3000)
        self.sent_debits: deque[Named] = deque(maxlen=500)
        self.held_back: deque[Sent] = deque(maxlen=20)
        """Originals whose reversal went first."""

    # ----------------------------------------------------------------------- time

    def let_time_pass(self) -> None:
        """To the next message: seconds as a rule, sometimes to midnight, where milliseconds count, or over days."""
        chance = self.rng.random()
        if self.slow_messages:
            self.slow_messages -= 1
            self.now_ms += self.rng.choice([0, 0, 1, 1, 2])
        elif chance < 1 / 500:
            self.now_ms = self._midnight_after(self.now_ms) - 4
            self.slow_messages = 30
        elif chance < 1 / 400:
            self.now_ms += self.rng.choice([DAY_MS, 2 * DAY_MS, 3 * DAY_MS, 10 * DAY_MS])
        else:
            self.now_ms += self.rng.randrange(0, 120_000)

    def _midnight_after(self, now_ms: int) -> int:
        """First millisecond of the next local date."""
        date = local_date(now_ms, self.twin.zone)
        low, high = now_ms, now_ms + 2 * DAY_MS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if local_date(middle, self.twin.zone) == date else (low, middle)
        return high

    def today(self) -> int:
        """The business date as the switch would tell it now."""
        return max(self.twin.today, local_date(self.now_ms, self.twin.zone))

    def stamp(self) -> int:
        """A terminal's clock: right as a rule; in replay mode never so far ahead that the days would be used up."""
        late = [self.now_ms - self.rng.randrange(3 * DAY_MS), self.now_ms + self.rng.randrange(DAY_MS // 24)]
        broken = [-1, I64_MIN, I64_MAX, STAMP_MS_MAX + 1, 0]
        chance = self.rng.random()
        if chance < 0.9:
            return self.now_ms
        return self.rng.choice(late if chance < 0.95 else broken)

    def window_has_one_place(self) -> bool:
        """Whether one more answer fits today and no second one: where a reversal with a note must be turned away."""
        answers = self.twin.answers
        return answers.count_by_date[self.today()] == answers.per_date_max - 1

    # ----------------------------------------------------------------------- parts of messages

    def message(self, form: type[Packed], body: bytes) -> bytes:
        """Header and body."""
        self.header_sequence += 1
        return Header(type=TYPE_OF[form], sequence=self.header_sequence).encode() + body

    def keyed(self, form: type[Packed], terminal_id: int, /, *, lines: bytes = b"", **fields: Any) -> Sent:
        """A message with the terminal's next trace number, today's date and the clock, unless `fields` differ."""
        if "trace_number" not in fields:
            self.traces[terminal_id] += 1
            fields["trace_number"] = self.traces[terminal_id]
        fields.setdefault("business_date", self.today())
        fields.setdefault("stamp_ms", self.stamp())
        body = Packed.encode(form(**fields)) + lines
        return Sent(terminal_id, self.message(form, body))

    def terminal(self, *, credit: bool = False, configure: bool = False) -> int:
        """A terminal that may; one time in fifty any."""
        if self.rng.random() < 0.02:
            return self.rng.choice(TERMINALS)
        need = Right.CONFIGURE if configure else Right.CREDIT if credit else Right.PAY
        return self.rng.choice([terminal_id for terminal_id, rights in self.world.rights.items() if rights & need])

    def card(self) -> int:
        """A card; the first ones more often, so that their limits and counters are reached."""
        return self.world.card_numbers[int(len(self.world.card_numbers) * self.rng.random() ** 3)]

    def amount(self, card_number: int) -> int:
        """What a customer would spend."""
        account = self.twin.tables.account_of(card_number)
        purse = account.balance_minor if account else 10_000
        return self.rng.randrange(1, max(2, min(purse // self.rng.choice([1, 4, 20]), 50_000) + 2))

    def edge_amount(self, card_number: int) -> int:
        """An amount at a limit, or one beside it."""
        edges = [0, 1, AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX, I64_MAX, I64_MIN + 1, -5]
        account = self.twin.tables.account_of(card_number)
        if account is not None:
            card_type = self.twin.tables.card_types[self.twin.tables.cards[card_number].card_type]
            spent_today = account.counters_of(self.today())[0]
            limits = [account.balance_minor, card_type.single_minor_max, card_type.daily_minor_max - spent_today]
            edges = [limit for limit in limits if limit <= AMOUNT_MINOR_MAX] * 4 + edges
        return to_i64(self.rng.choice(edges) + self.rng.choice([-1, 0, 1]))

    def lines(self, amount: int, count: int) -> bytes:
        """Bill lines that more or less add up."""
        amounts = [amount // count + self.rng.choice([0, 0, 0, 7, -3, -2 * amount // count]) for _ in range(count)]
        return b"".join(map(self.line, amounts))

    def line(self, amount: int) -> bytes:
        """One bill line."""
        return BillLine(item=self.rng.getrandbits(64), amount_minor=amount, till_discount_minor=-20).encode()

    def debit(self, terminal_id: int, card_number: int, amount: int, lines: bytes = b"", **fields: Any) -> Sent:
        """A debit, remembered for reversals to come."""
        sent = self.keyed(
            DebitRequest,
            terminal_id,
            lines=lines,
            card_number=card_number,
            amount_minor=amount,
            line_count=len(lines) // BillLine.width_bytes(),
            entry_mode=self.rng.choice([0, 1, 2, 3, 4, 5, 250]),
            **fields,
        )
        self.sent_debits.append(name_of(sent, card_number, amount))
        return sent

    def reversal(self, debit: Named, **fields: Any) -> Sent:
        """A reversal of a debit, altered by `fields`."""
        terminal_id = fields.pop("terminal_id", debit.terminal_id)
        named = {
            "card_number": debit.card_number,
            "amount_minor": debit.amount_minor,
            "original_trace_number": debit.trace_number,
            "original_business_date": debit.business_date,
        }
        return self.keyed(ReversalRequest, terminal_id, **(named | fields))

    def some_debit(self, *, recent: bool) -> Named:
        """A debit that was sent: one of the last, or any."""
        if not self.sent_debits:
            return Named(1, 1, self.today(), self.card(), 1)
        if not recent:
            return self.rng.choice(self.sent_debits)
        return self.sent_debits[-1 - min(int(self.rng.expovariate(0.2)), len(self.sent_debits) - 1)]
