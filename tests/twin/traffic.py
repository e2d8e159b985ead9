"""Seeded traffic, honest and hostile: what twenty terminals send in some days of trade.

The stream looks at the twin that it is played to (balances, counters, today's
date), so that amounts land on the limits and a cent beside them.  The same
seed played to the same rules is the same stream.
"""

from __future__ import annotations

from collections.abc import Iterator

from switch.protocol.messages import CreditRequest, OpenCardRequest, PutCardTypeRequest, PutStoreRequest

from .model import Twin
from .plays import HONEST, HOSTILE, overtaking_reversal
from .sender import Sender, Sent
from .world import CARD_TYPES, TERMINALS, World, card_type_fields

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
            if till.window_has_one_place() and till.rng.random() < 0.8:
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
    """Stores, card types, and the first cards with something on them."""
    operator, numbers = TERMINALS[-1], till.world.card_numbers
    for store_id in range(1, 5):
        yield till.keyed(PutStoreRequest, operator, store_id=store_id, organisation_id=store_id * 10)
    for code in CARD_TYPES:
        yield till.keyed(PutCardTypeRequest, operator, **card_type_fields(till.rng, code))
    for place, number in enumerate(numbers[:200]):
        account = numbers[place - place % 8] if place % 8 in (3, 4, 7) else 0
        card_type = CARD_TYPES[place % len(CARD_TYPES)]
        yield till.keyed(OpenCardRequest, operator, card_number=number, account_number=account, card_type=card_type)
        yield till.keyed(CreditRequest, operator, card_number=number, amount_minor=till.rng.randrange(1, 500_000))
