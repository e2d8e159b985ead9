"""A shop whose cards are protected against copies: issuer keys of every medium, and media enrolled in the switch.

shop = make_media_shop(tmp_path / "data")        # a directory; start a `SwitchProcess` on it
shop.track_2(CARD, ticket=1)                     # what is on the card's stripe
shop.code(CODE_TOKEN, now_s)                     # what the phone shows
shop.issuer_key(1)                               # to make chip cards with
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardswitch.key_house import KeyHouse, read_passphrase
from hsm import bar_code, cards, stripe
from hsm.key_states import Purpose
from hsm.people import TwoPeople
from switch._clock import now_ms
from switch._directory import open_directory
from switch.protocol.messages import (
    Header,
    KeyPurpose,
    KeyState,
    MediumKind,
    MessageType,
    PutKeyRequest,
    PutMediumPolicyRequest,
    PutMediumRequest,
    Reply,
    Right,
)
from terminals.chip.personalise import IssuerKey
from tests.support.desk import ALL_RIGHTS, CARD_TYPE, Desk, make_directory

MEDIA_PURPOSES = (Purpose.CHIP, Purpose.CODE, Purpose.JITTER, Purpose.STRIPE, Purpose.TAG)
KEK_VERSION = 1
CARD = 6221_2600_1234_5674
CHIP_UID = "04782E21801D80"
CODE_TOKEN = 12_345_678_901
EXPIRY_YYMM = "3912"
CHIP_SERVICE, STRIPE_SERVICE = "201", "101"
"""Service codes of a card with a chip, and of one without."""
FIRST, SECOND = 7, 8
"""Numbers of the two people who change keys."""


class MediaDesk(Desk):
    """A desk that may also do what security staff may."""

    def ask(self, type_: MessageType, body: Any, terminal_id: int = 1) -> Reply:
        message = Header(type=type_, sequence=1).encode() + (body if isinstance(body, bytes) else body.encode())
        rights = ALL_RIGHTS | int(Right.SECURITY)
        reply, _ = self.engine.decide(terminal_id, rights, message, self.now_ms)
        return Reply.decode(reply[Header.width_bytes() :])

    def put_key(self, purpose: Purpose, version: int, check_value: bytes, *, is_active: bool = True) -> None:
        """Announce a key of the keyring, and make new things with it."""
        states = (KeyState.NEW, KeyState.ACTIVE) if is_active else (KeyState.NEW,)
        for state in states:
            request = PutKeyRequest(
                **self.key(),
                purpose=KeyPurpose(int(purpose)),
                key_version=version,
                state=state,
                check_value=check_value.ljust(8, b"\0"),
                operator_id=FIRST,
                approver_id=SECOND,
            )
            self.approve(MessageType.PUT_KEY, request)

    def enrol(self, medium: MediumKind, medium_id: int, card: int = CARD, **fields: Any) -> None:
        """Put a medium."""
        request = PutMediumRequest(**self.key(), card_number=card, medium=medium, medium_id=medium_id, **fields)
        self.approve(MessageType.PUT_MEDIUM, request)

    def put_policy(self, code: int = CARD_TYPE, **fields: Any) -> None:
        """What the media of a card type may do."""
        people = {"operator_id": FIRST, "approver_id": SECOND}
        self.approve(MessageType.PUT_MEDIUM_POLICY, PutMediumPolicyRequest(**self.key(), code=code, **people, **fields))


@dataclass
class MediaShop:
    """A data directory and the issuer's keys, in ordinary memory: they protect nothing."""

    data: Path
    keys: dict[tuple[Purpose, int], bytes] = field(default_factory=dict)

    def issuer_key(self, version: int = 1) -> IssuerKey:
        """What chips are made with."""
        return IssuerKey(version, self.keys[Purpose.CHIP, version], is_live=False)

    def track_2(self, card: int, ticket: int, *, service: str = STRIPE_SERVICE, version: int = 1) -> str:
        """What is on a stripe, sentinels included."""
        unique = cards.card_number_unique(str(card))
        jitter = cards.card_key(self.keys[Purpose.JITTER, version], cards.CardPurpose.JITTER, version, unique)
        pair = self.keys[Purpose.STRIPE, version]
        return stripe.make_track2(pair, jitter, version, str(card), EXPIRY_YYMM, service, 0, ticket)

    def code(self, token: int, time_s: int, refresh: int = 0, *, version: int = 1) -> str:
        """The 24 digits that a phone shows."""
        text = f"{token:011d}"
        key = cards.card_key(
            self.keys[Purpose.CODE, version], cards.CardPurpose.CODE, version, bar_code.token_unique(text)
        )
        return bar_code.make_bar_code(key, version, text, bar_code.sequence_at(time_s, refresh))


def make_media_shop(path: Path, chip_versions: int = 1, **settings: Any) -> MediaShop:
    """A furnished directory (`Desk.furnish`) with keys of every medium; chips have several, the last active."""
    make_directory(path, **settings)
    shop = MediaShop(path)
    people = TwoPeople("first officer", "second officer", now_ms())
    house = KeyHouse.open(open_directory(path).keys, read_passphrase)
    values = {}
    try:
        for purpose in MEDIA_PURPOSES:
            for version in range(1, chip_versions + 1 if purpose is Purpose.CHIP else 2):
                house.keyring.add(purpose, version, KEK_VERSION, people)
                house.keyring.activate(purpose, version, people)
                slot, values[purpose, version] = house.take(purpose, version)
                shop.keys[purpose, version] = bytes(memoryview(slot))
                slot.wipe()
    finally:
        house.close()
    desk = MediaDesk(path)
    desk.furnish()
    for (purpose, version), value in values.items():
        desk.put_key(purpose, version, value)
    desk.commit()
    return shop
