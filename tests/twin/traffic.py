"""Seeded traffic, honest and hostile: what twenty terminals send in some days of trade.

The stream looks at the twin that it is played to (balances, counters, today's
date), so that amounts land on the limits and a cent beside them.  The same
seed played to the same rules is the same stream.
"""

from __future__ import annotations

from collections.abc import Iterator

from switch.protocol.messages import (
    CreditRequest,
    LoadVisitsRequest,
    OpenCardRequest,
    PutAllowedRequest,
    PutCardTypeRequest,
    PutOrganisationRequest,
    PutStoreRequest,
    PutTerminalRequest,
    SetCardRequest,
    SetPinRequest,
)

from . import desk_plays as desk
from . import security_plays as security
from .model import Twin
from .plays import HONEST, HOSTILE, overtaking_reversal
from .sender import PINS, Sender, Sent
from .world import CARD_TYPES, CATEGORIES, GIFTS, ITEMS, SERVICES, STORES, TERMINALS, World, card_type_fields

HONEST_SHARE = 0.6


class Traffic:
    """A stream of messages for a fresh twin (and for whatever is compared with it)."""

    def __init__(self, world: World, twin: Twin) -> None:
        self.rights = world.rights
        """Rights to pass with a message, by terminal."""
        self._sender = Sender(world, twin)

    def messages(self) -> Iterator[tuple[int, bytes, int]]:
        """(terminal, message, now_ms) without end: first the opening of business, then trade.

        Each message must be decided by the twin before the next one is taken.
        """
        till = self._sender
        for sent in _opening(till):
            yield self._noted(sent)
        honest, honest_weights = zip(*HONEST.items(), strict=True)
        hostile, hostile_weights = zip(*HOSTILE.items(), strict=True)
        while True:
            till.let_time_pass()
            if till.burst:
                play = till.burst.popleft()
            elif till.window_has_one_place() and till.rng.random() < 0.8:
                play = overtaking_reversal
            elif till.rng.random() < HONEST_SHARE:
                play = till.rng.choices(honest, honest_weights)[0]
            else:
                play = till.rng.choices(hostile, hostile_weights)[0]
            yield self._noted(play(till))

    def _noted(self, sent: Sent) -> tuple[int, bytes, int]:
        self._sender.sent.append(sent)
        return sent.terminal_id, sent.message, self._sender.now_ms


def _opening(till: Sender) -> Iterator[Sent]:
    """Stores, card types, rules, and the first cards with something on them."""
    operator = TERMINALS[-1]
    yield from _places(till, operator)
    for code in CARD_TYPES:
        yield till.keyed(PutCardTypeRequest, operator, **card_type_fields(till.rng, code))
    for code in CARD_TYPES[4:]:
        for allowed_list in (1, 2, 3):
            number = till.rng.choice(STORES)
            yield till.keyed(PutAllowedRequest, operator, code=code, list=allowed_list, number=number)
    yield from _business(till)
    yield from security.opening(till, operator)
    yield from _cards(till, operator)
    yield from security.media_opening(till, operator)


def _places(till: Sender, operator: int) -> Iterator[Sent]:
    for number in (1, 2, 3):
        fields = {"organisation_id": number, "parent_id": number - 1, "node": number}
        yield till.keyed(PutOrganisationRequest, operator, **fields)
    for store_id in STORES:
        round_off = till.rng.choice([0, 5, 10])
        fields = {"store_id": store_id, "organisation_id": (0, 1, 2, 3, 3)[store_id - 1]}
        yield till.keyed(PutStoreRequest, operator, **fields, round_off_minor=round_off)
    for terminal_id in TERMINALS[:-1]:
        fields = {"terminal_id": terminal_id, "rights": till.world.rights[terminal_id]}
        store_id = STORES[terminal_id % len(STORES)]
        key = {"key": bytes(range(40)), "storage_version": 1}
        yield till.keyed(PutTerminalRequest, operator, **fields, store_id=store_id, **key)


def _business(till: Sender) -> Iterator[Sent]:
    for category in CATEGORIES[:3]:
        yield desk.put_category(till, category, flags=1)
    for gift_id in GIFTS:
        yield desk.put_gift(till, gift_id)
    for item in ITEMS:
        yield desk.put_price(till, item)
    for rule in range(1, 41):
        yield desk.put_rule(till, 1, rule)
    yield desk.activate_rules(till, from_date=0)


def _cards(till: Sender, operator: int) -> Iterator[Sent]:
    numbers, rng = till.world.card_numbers, till.rng
    for place, number in enumerate(numbers[:200]):
        account = numbers[place - place % 8] if place % 8 in (3, 4, 7) else 0
        card_type = CARD_TYPES[place % len(CARD_TYPES)]
        yield till.keyed(OpenCardRequest, operator, card_number=number, account_number=account, card_type=card_type)
        yield till.keyed(CreditRequest, operator, card_number=number, amount_minor=rng.randrange(1, 500_000))
        if place % 3 == 0:
            fields = {"mode": 2, "operator_id": 1, "old_pin": bytes(16), "new_pin": PINS[0]}
            yield till.keyed(SetPinRequest, operator, card_number=number, **fields)
        if place % 5 == 0:
            fields = {"sets": 15, "level": rng.choice([0, 1, 2]), "segments": rng.choice([0, 1, 6])}
            limits = {"daily_count_max": rng.choice([3, 2**32 - 1]), "single_minor_max": rng.choice([9_000, 10**15])}
            yield till.keyed(SetCardRequest, operator, card_number=number, **fields, **limits)
        if place % 4 == 0:
            service = rng.choice(SERVICES)
            yield till.keyed(LoadVisitsRequest, operator, card_number=number, service=service, count=5)
