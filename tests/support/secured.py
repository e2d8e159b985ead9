"""What belongs to keys, media and alarms: every message of it once, each approved, with real keys of the key house."""

from __future__ import annotations

from cardswitch.key_house import KeyHouse, read_passphrase
from hsm import cards, stripe
from hsm.keyring import Purpose
from hsm.people import TwoPeople
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AlarmState,
    CardOperation,
    Evidence,
    EvidenceFlag,
    KeyPurpose,
    KeyState,
    MediumKind,
    MessageType,
)
from switch.protocol.records import RecordKind
from tests.support.desk import STORE_ID, TILL_ID
from tests.support.whole_business import CARD, TYPE, Business

PEOPLE = {"operator_id": 71, "approver_id": 72}
ADDED = {KeyPurpose.STRIPE: 1, KeyPurpose.JITTER: 1, KeyPurpose.STORAGE: 2}
"""Versions that `cardswitch init` does not make."""
OTHER_STORE = 8
NEXT_KEY = bytes(range(40, 72))
EXPIRY, SERVICE = "2912", "201"
FIRST_TICKET = 1


def work_with_keys(business: Business) -> None:
    """New keys, a striped card that is paid with, a copy of it that is caught, and keys that take others' places."""
    keys = _add_keys(business)
    for purpose, version in ADDED.items():
        check_value = keys[purpose][1].ljust(8, b"\0")
        for state in (KeyState.NEW, KeyState.ACTIVE):
            fields = {"purpose": purpose, "key_version": version, "check_value": check_value, "state": state}
            business.do(MessageType.PUT_KEY, **fields, **PEOPLE)
    business.do(MessageType.PUT_MEDIUM_POLICY, code=TYPE, **PEOPLE)
    business.do(
        MessageType.PUT_MEDIUM,
        card_number=CARD,
        medium_id=CARD,
        medium=MediumKind.STRIPE,
        operator_id=71,
        counter=FIRST_TICKET,
    )
    business.do(MessageType.PUT_TRAVEL, store_id=STORE_ID, other_store_id=OTHER_STORE, minutes=60, operator_id=71)

    swiped = _swipe(keys[KeyPurpose.STRIPE][0], keys[KeyPurpose.JITTER][0], FIRST_TICKET)
    paid = business.do(MessageType.DEBIT, card_number=CARD, amount_minor=100, evidence=swiped)
    assert paid.issuer_answer is not None
    business.do(MessageType.CONFIRM_WRITE, card_number=CARD, counter=paid.issuer_answer.next)
    copied = business.ask(MessageType.DEBIT, card_number=CARD, amount_minor=100, evidence=swiped)
    assert copied.code == ResponseCode.CLONE
    business.do(MessageType.HANDLE_ALARM, alarm=copied.journal_sequence, state=AlarmState.ACKNOWLEDGED, operator_id=71)
    business.operate(CardOperation.UNFREEZE, CARD)

    business.do(
        MessageType.REWRAP_KEY, kind=RecordKind.TERMINAL, storage_version=ADDED[KeyPurpose.STORAGE], key_a=TILL_ID
    )
    business.do(MessageType.CHANGE_KEY, key=NEXT_KEY.ljust(40, b"\0"))


def _add_keys(business: Business) -> dict[KeyPurpose, tuple[bytes, bytes]]:
    """The key and its check value, by purpose, as two officers have added them."""
    house = KeyHouse.open(business.path / "keys", read_passphrase)
    people = TwoPeople("first officer", "second officer", business.now_ms)
    found = {}
    for purpose, version in ADDED.items():
        house.keyring.add(Purpose(purpose), version, 1, people)
        slot, check_value = house.take(purpose, version)
        found[purpose] = bytes(memoryview(slot)), check_value  # type: ignore[arg-type]  # a buffer
        slot.wipe()
    house.close()
    return found


def _swipe(stripe_key: bytes, jitter_key: bytes, ticket: int) -> Evidence:
    """What a reader makes of the card's stripe."""
    own = cards.card_key(jitter_key, cards.CardPurpose.JITTER, 1, cards.card_number_unique(str(CARD)))
    track = stripe.parse_track2(stripe.make_track2(stripe_key, own, 1, str(CARD), EXPIRY, SERVICE, 1, ticket))
    shown = ((track.ticket_mac, 4), (track.cvv, 2), (track.service_code, 2), (track.expiry_yymm, 2))
    return Evidence(
        medium=MediumKind.STRIPE,
        key_version=track.key_version_digit,
        counter=track.ticket_shown,
        issue=track.issue_digit,
        flags=EvidenceFlag.CAN_WRITE,
        proof=b"".join(int(text).to_bytes(width, "little") for text, width in shown).ljust(16, b"\0"),
    )
