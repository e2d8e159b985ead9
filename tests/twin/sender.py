"""What a stream of messages is made with: a clock that passes, terminals with their traces, messages from fields."""

from __future__ import annotations

import random
import struct
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    REQUESTS,
    BillLine,
    DebitRequest,
    Header,
    MessageType,
    ReversalRequest,
    Right,
)

from . import accounts
from .calendar import date_number
from .model import STAMP_MS_MAX, Twin, local_time
from .state import Answer, Record
from .wire import HEADER_BYTES
from .world import CARD_TYPES, ITEMS, TERMINALS, World

DAY_MS = 86_400_000
I64_MIN, I64_MAX = -(2**63), 2**63 - 1
TYPE_OF = {form: message_type for message_type, form in REQUESTS.items() if message_type != MessageType.QUOTE}
REVERSIBLE = frozenset(
    {MessageType.DEBIT, MessageType.HOLD, MessageType.CREDIT, MessageType.REDEEM, MessageType.LOAD_VISITS}
)
PINS = (b"1" * 16, b"2" * 16, bytes(16))
"""PIN fields as the decision sees them: hashes, or none."""
MS_PER_MINUTE = 60_000


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


def name_of(sent: Sent) -> Named:
    """What a reversal of a keyed message must name: card number and amount are at offsets 16 and 24."""
    trace_number, business_date = struct.unpack_from("<II", sent.message, HEADER_BYTES)
    body = sent.message[HEADER_BYTES:].ljust(32, b"\0")
    return Named(sent.terminal_id, trace_number, business_date, *struct.unpack_from("<Qq", body, 16))


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
        self.sent_originals: deque[Named] = deque(maxlen=500)
        """What reversals may name."""
        self.burst: deque[Callable[[Sender], Sent]] = deque()
        """Plays that follow one another at once."""
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
            self.now_ms += self.rng.choice([DAY_MS, 2 * DAY_MS, 3 * DAY_MS, 10 * DAY_MS, 40 * DAY_MS])
        else:
            self.now_ms += self.rng.randrange(0, 120_000)

    def date_at(self, now_ms: int) -> int:
        """Business date of a moment."""
        cut_over_ms = self.world.settings.cut_over_minutes * MS_PER_MINUTE
        return date_number(local_time(now_ms - cut_over_ms, self.twin.zone))

    def _midnight_after(self, now_ms: int) -> int:
        """First millisecond of the next business date."""
        date = self.date_at(now_ms)
        low, high = now_ms, now_ms + 2 * DAY_MS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.date_at(middle) == date else (low, middle)
        return high

    def today(self) -> int:
        """The business date as the switch would tell it now."""
        return max(self.twin.today, self.date_at(self.now_ms))

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
        answers = self.twin.state.answers
        return answers.count_by_date[self.today()] == answers.per_date_max - 1

    # ----------------------------------------------------------------------- parts of messages

    def message(self, message_type: MessageType, body: bytes) -> bytes:
        """Header and body."""
        self.header_sequence += 1
        return Header(type=message_type, sequence=self.header_sequence).encode() + body

    def asked(self, message_type: MessageType, terminal_id: int, **fields: Any) -> Sent:
        """An inquiry."""
        fields.setdefault("stamp_ms", self.stamp())
        return Sent(terminal_id, self.message(message_type, REQUESTS[message_type](**fields).encode()))

    def keyed(self, form: type[Packed], terminal_id: int, /, **fields: Any) -> Sent:
        """A message with the terminal's next trace number, today's date and the clock, unless `fields` differ."""
        if "trace_number" not in fields:
            self.traces[terminal_id] += 1
            fields["trace_number"] = self.traces[terminal_id]
        fields.setdefault("business_date", self.today())
        fields.setdefault("stamp_ms", self.stamp())
        sent = Sent(terminal_id, self.message(TYPE_OF[form], form(**fields).encode()))
        if TYPE_OF[form] in REVERSIBLE:
            self.sent_originals.append(name_of(sent))
        return sent

    def terminal(self, right: Right = Right.PAY) -> int:
        """A terminal that may; one time in fifty any."""
        if self.rng.random() < 0.02:
            return self.rng.choice(TERMINALS)
        wanted = int(right)
        return self.rng.choice([terminal_id for terminal_id, rights in self.world.rights.items() if rights & wanted])

    def card(self) -> int:
        """A card; the first ones more often, so that their limits and counters are reached."""
        return self.world.card_numbers[int(len(self.world.card_numbers) * self.rng.random() ** 3)]

    def account(self, card_number: int) -> Record | None:
        """What the twin has of the card's account."""
        return self.twin.tables.account_of(card_number)

    def amount(self, card_number: int) -> int:
        """What a customer would spend."""
        account = self.account(card_number)
        purse = accounts.available(account) if account else 10_000
        return self.rng.randrange(1, max(2, min(purse // self.rng.choice([1, 4, 20]), 50_000) + 2))

    def edge_amount(self, card_number: int) -> int:
        """An amount at a limit, or one beside it."""
        edges = [0, 1, AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX, I64_MAX, I64_MIN + 1, -5]
        account, card = self.account(card_number), self.twin.tables.card(card_number)
        card_type = self.twin.tables.type_in_force(card.card_type, self.today()) if card else None
        if account is not None and card_type is not None:
            spent_today = accounts.counted(account, "day_debit_minor", self.today())
            limits = [accounts.available(account), card_type.single_minor_max, card_type.daily_minor_max - spent_today]
            limits += [account.balance_minor, card_type.ceiling_minor - account.balance_minor]
            edges = [limit for limit in limits if limit <= AMOUNT_MINOR_MAX] * 4 + edges
        return to_i64(self.rng.choice(edges) + self.rng.choice([-1, 0, 1]))

    def lines(self, amount: int, count: int) -> tuple[BillLine, ...]:
        """Bill lines that more or less add up."""
        rng = self.rng
        amounts = [amount // count + rng.choice([0, 0, 0, 7, -3, -2 * amount // count]) for _ in range(count)]
        return tuple(self.line(one) for one in amounts)

    def line(self, amount: int) -> BillLine:
        """One bill line."""
        rng = self.rng
        return BillLine(
            item=rng.choice([*ITEMS, 2**64 - 1]),
            amount_minor=amount,
            quantity_milli=rng.choice([0, 1000, 1000, 2000, 337, -1000]),
            department=rng.choice([0, 1, 2, 3, 4]),
            category=rng.choice([0, 1, 2, 3, 4, 5]),
            brand=rng.choice([0, 0, 1, 2, 3]),
            flags=rng.choice([0, 0, 0, 0, 0, 0, 1, 2, 3]),
            till_discount_minor=-20,
        )

    def debit(self, terminal_id: int, card_number: int, amount: int, **fields: Any) -> Sent:
        """A debit."""
        fields.setdefault("entry_mode", self.rng.choice([0, 1, 2, 3, 4, 5, 250]))
        fields.setdefault("settlement", self.rng.choice([0, 0, 1, 5, 6]))
        return self.keyed(DebitRequest, terminal_id, card_number=card_number, amount_minor=amount, **fields)

    def reversal(self, original: Named, **fields: Any) -> Sent:
        """A reversal, altered by `fields`."""
        terminal_id = fields.pop("terminal_id", original.terminal_id)
        named = {
            "card_number": original.card_number,
            "amount_minor": original.amount_minor,
            "original_trace_number": original.trace_number,
            "original_business_date": original.business_date,
        }
        return self.keyed(ReversalRequest, terminal_id, **(named | fields))

    def some_original(self, *, recent: bool) -> Named:
        """A reversible message that was sent: one of the last, or any."""
        if not self.sent_originals:
            return Named(1, 1, self.today(), self.card(), 1)
        if not recent:
            return self.rng.choice(self.sent_originals)
        return self.sent_originals[-1 - min(int(self.rng.expovariate(0.2)), len(self.sent_originals) - 1)]

    def approved(self, *types: MessageType) -> tuple[int, Answer] | None:
        """(sequence, answer) of one of the last approved requests of some types."""
        journal = self.twin.state.journal
        recent = range(self.twin.next_sequence - 300, self.twin.next_sequence)
        found = [(sequence, journal[sequence]) for sequence in recent if sequence in journal]
        fitting = [row for row in found if row[1].asked and row[1].asked.type in types and _is_approved(row[1])]
        return self.rng.choice(fitting) if fitting else None

    def card_type(self) -> int:
        """A card type that exists."""
        return self.rng.choice(CARD_TYPES)


def _is_approved(answer: Answer) -> bool:
    return answer.reply is not None and answer.reply.code in (0, 10)
