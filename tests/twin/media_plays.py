"""What comes from media at the tills: honest readings, lost answers, copies, guesses; as they look when examined.

Evidence is made from what the twin knows of the medium, and its found part is filled in as whoever examines it would
find it.  (That the examiner finds just that is tested with keys, in test_twin_examine.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from switch.protocol.layout import LayoutError, Packed
from switch.protocol.messages import (
    EVIDENCE_BYTES,
    FOUND_BYTES,
    REQUESTS,
    WITH_EVIDENCE,
    ChangeKeyRequest,
    ConfirmWriteRequest,
    ConvertRequest,
    DebitFlag,
    Evidence,
    EvidenceFlag,
    EvidenceOutcome,
    HoldRequest,
    MediumKind,
    MessageType,
    RedeemRequest,
)
from switch.protocol.records import RecordKind

from .sender import PINS, Sender, Sent
from .state import Record
from .wire import HEADER_BYTES
from .world import CATEGORIES

CHIP_STEPS = (*[1] * 30, 2, 2, 3, 9, 63, 64, 65, 66, 200, 1023, 1024, 1025, 5000, 0, 0, -1, -2, -3, -40, -63, -64, -65)
COUNTER_STEPS = (*[1] * 12, 2, 7, 31, 0, 0, -1, -6)
OUTCOMES = (
    *[EvidenceOutcome.GENUINE] * 30,
    EvidenceOutcome.WRONG,
    EvidenceOutcome.WRONG,
    EvidenceOutcome.KEY_MISSING,
    EvidenceOutcome.STALE,
    EvidenceOutcome.CHALLENGE,
    EvidenceOutcome.NOT_CHECKED,
)
UNKNOWN_ID = 2**56 - 1


class Reading(NamedTuple):
    """A card and what was read of it."""

    card_number: int
    evidence: Evidence


# --------------------------------------------------------------------------- readings


def media(till: Sender) -> list[Record]:
    """All media that are enrolled."""
    return till.twin.tables.all(RecordKind.MEDIUM)


def some_medium(till: Sender) -> Record | None:
    """A medium; the first ones more often."""
    known = media(till)
    return known[int(len(known) * till.rng.random() ** 2)] if known else None


def read(till: Sender, medium: Record, **fields: Any) -> Reading:
    """One reading of a medium, as it looks examined; honest as a rule."""
    rng, kind = till.rng, MediumKind(medium.medium)
    found_key_version = rng.choice([*[max(1, medium.key_version)] * 12, medium.key_version + 1, 1, 2]) % 256
    is_whole = kind in (MediumKind.CHIP, MediumKind.TAG)
    evidence: dict[str, Any] = {
        "medium": kind,
        "key_version": found_key_version if is_whole else found_key_version % 10,
        "proof": rng.randbytes(16),
        "outcome": rng.choice(OUTCOMES),
        "found_medium_id": medium.medium_id,
        "found_key_version": found_key_version,
        "next": rng.randrange(2**32),
        "answer": rng.randbytes(8),
    }
    evidence |= {
        MediumKind.CHIP: _chip,
        MediumKind.CODE: _code,
        MediumKind.STRIPE: _stripe,
        MediumKind.TAG: _tag,
    }[kind](till, medium)
    evidence |= fields
    if evidence["outcome"] in (EvidenceOutcome.KEY_MISSING, EvidenceOutcome.NOT_CHECKED):
        evidence |= {"next": 0, "answer": bytes(8)}
    return Reading(medium.card_number, Evidence(**evidence))


def _chip(till: Sender, medium: Record) -> dict[str, Any]:
    rng, flag = till.rng, EvidenceFlag
    counter = max(0, medium.counter + rng.choice(CHIP_STEPS)) % 2**24
    chains = [*[medium.chain] * 12, medium.chain_previous, medium.chain_previous, rng.randrange(2**32)]
    is_behind = counter <= medium.counter
    return {
        "counter": counter,
        "found_counter": counter,
        "medium_id": medium.medium_id,
        "challenge": rng.randbytes(8),
        "chain": rng.choice(chains),
        "flags": rng.choice([0, flag.CONTACTLESS])
        | (flag.OFFLINE if rng.random() < (0.9 if is_behind else 0.1) else 0),
        "command": rng.choice([0, 0, 0, 258]),
        "currency": 156,
    }


def _code(till: Sender, medium: Record) -> dict[str, Any]:
    found = max(0, medium.counter + till.rng.choice(COUNTER_STEPS))
    return {"found_counter": found, "counter": found % 100, "medium_id": medium.medium_id}


def _tag(till: Sender, medium: Record) -> dict[str, Any]:
    found = max(0, medium.counter + till.rng.choice(COUNTER_STEPS)) % 2**24
    return {"found_counter": found, "tag_mac": till.rng.randbytes(8)}


def _stripe(till: Sender, medium: Record) -> dict[str, Any]:
    rng, flag = till.rng, EvidenceFlag
    there = [medium.counter, medium.pending_counter or medium.counter]
    found = rng.choice([*there * 8, medium.counter + 1, max(0, medium.counter - 1), 0])
    flags = rng.choice([0, 0, flag.FALLBACK]) | rng.choice([0, flag.CAN_WRITE, flag.CAN_WRITE])
    follows = medium.pending_counter if medium.pending_counter and found == medium.counter else (found + 1) % 2**32
    return {"found_counter": found, "counter": found % 1000, "next": follows, "flags": flags}


def unknown_medium(till: Sender) -> Reading:
    """A code or tag that nobody has enrolled: no card is found behind it; or a chip that somebody made up."""
    kind = till.rng.choice([MediumKind.CODE, MediumKind.TAG, MediumKind.CHIP, 0, 5, 8, 255])
    card_number = 0 if kind in (MediumKind.CODE, MediumKind.TAG) and till.rng.random() < 0.8 else till.card()
    outcome = EvidenceOutcome.MEDIUM_UNKNOWN if 1 <= kind <= 4 else EvidenceOutcome.NOT_CHECKED
    evidence = Evidence(medium=kind, key_version=1, outcome=outcome, found_medium_id=UNKNOWN_ID, found_key_version=1)
    return Reading(card_number, evidence)


def any_reading(till: Sender) -> Reading:
    """Of an enrolled medium as a rule; sometimes under another card's number."""
    medium = some_medium(till)
    if medium is None or till.rng.random() < 0.04:
        return unknown_medium(till)
    reading = read(till, medium)
    return reading if till.rng.random() > 0.02 else Reading(till.card(), reading.evidence)


# --------------------------------------------------------------------------- requests with them


def pay(till: Sender, reading: Reading, terminal_id: int, **fields: Any) -> Sent:
    """A debit with evidence."""
    rng, card = till.rng, reading.card_number
    has_pin = rng.random() < 0.4
    fields = {
        "lines": till.lines(100, 2) if rng.random() < 0.2 else (),
        "flags": (DebitFlag.PIN if has_pin else 0) | rng.choice([0, 0, DebitFlag.PARTIAL]),
        "pin": rng.choice([PINS[0], PINS[0], PINS[0], PINS[1]]) if has_pin else b"",
    } | fields
    amount = rng.choice([till.amount(card), rng.randrange(1, 2_000)])
    return till.debit(terminal_id, card, amount, evidence=reading.evidence, **fields)


def tap(till: Sender) -> Sent:
    """A customer pays with a medium."""
    return pay(till, any_reading(till), till.terminal())


def quote_with_evidence(till: Sender) -> Sent:
    """The same question before; it must leave nothing behind."""
    sent = tap(till)
    till.sent_originals.pop()
    return Sent(sent.terminal_id, sent.message[:1] + bytes([MessageType.QUOTE]) + sent.message[2:])


def other_use(till: Sender) -> Sent:
    """A deposit, a gift, points to money."""
    rng, (card, evidence) = till.rng, any_reading(till)
    fields: dict[str, Any] = {"card_number": card, "evidence": evidence}
    forms: list[type[Packed]] = [HoldRequest, RedeemRequest, ConvertRequest]
    form = rng.choice(forms)
    if form is HoldRequest:
        fields |= {"amount_minor": rng.choice([0, till.amount(card), 500]), "expires_in_s": rng.choice([0, 60])}
        fields |= {"pin": rng.choice([bytes(16), PINS[0], PINS[1]])}
    elif form is ConvertRequest:
        fields |= {"amount_minor": rng.choice([5, 10, 50]), "category": rng.choice(CATEGORIES)}
    else:
        fields |= {"points_hundredths": rng.choice([100, 2_500]), "gift_id": 0, "pieces": 0, "category": 0}
    return till.keyed(form, till.terminal(), **fields)


def found_otherwise(till: Sender) -> Sent:
    """A retransmission is examined once more, and something else is found: the first answer counts."""
    with_evidence = [sent for sent in list(till.sent)[-60:] if evidence_start(sent.message) is not None]
    if not with_evidence:
        return tap(till)
    sent = till.rng.choice(with_evidence)
    return Sent(sent.terminal_id, sent.message[:-FOUND_BYTES] + till.rng.randbytes(FOUND_BYTES))


def reversal_by_medium(till: Sender) -> Sent:
    """A till that read a code or a tag knows no card number, also when it must undo."""
    return till.reversal(till.some_original(recent=True), card_number=0)


def confirm_write(till: Sender) -> Sent:
    """A stripe was written and read back; or somebody says so."""
    rng = till.rng
    stripes = [medium for medium in media(till) if medium.medium == MediumKind.STRIPE]
    waiting = [medium for medium in stripes if medium.pending_counter]
    stripe = rng.choice(waiting if waiting and rng.random() < 0.8 else stripes) if stripes else None
    card = stripe.card_number if stripe is not None and rng.random() < 0.95 else till.card()
    there = stripe.pending_counter if stripe is not None else 1
    counter = rng.choice([*[there] * 6, stripe.counter if stripe is not None else 0, 0, there + 1])
    return till.keyed(ConfirmWriteRequest, till.terminal(), card_number=card, counter=counter)


def change_key(till: Sender) -> Sent:
    """A terminal gives itself a new key, or ends the old one."""
    rng = till.rng
    confirm = rng.choice([0, 0, 1, 1, 1, 2])
    key = bytes(40) if confirm and rng.random() < 0.9 else rng.randbytes(40)
    return till.keyed(ChangeKeyRequest, till.terminal(), confirm=confirm, key=key, storage_version=rng.choice([0, 1]))


# --------------------------------------------------------------------------- bursts


def thief(till: Sender) -> Sent:
    """Somebody guesses at one terminal, fast: one medium, or all of them."""
    rng, terminal_id = till.rng, till.terminal()
    medium = some_medium(till)
    wide = rng.random() < 0.6

    def guess(till: Sender) -> Sent:
        target = some_medium(till) if wide else medium
        if target is None or (wide and rng.random() < 0.6):
            return pay(till, unknown_medium(till), terminal_id)
        outcome = rng.choice([EvidenceOutcome.WRONG] * 9 + [EvidenceOutcome.GENUINE])
        return pay(till, read(till, target, outcome=outcome, found_key_version=max(1, target.key_version)), terminal_id)

    tries = rng.choice([3, 5, 50])
    till.burst.extend([guess] * tries)
    till.slow_messages = tries
    return guess(till)


def spree(till: Sender) -> Sent:
    """One medium again and again within minutes, at many tills."""
    rng, medium = till.rng, some_medium(till)
    if medium is None:
        return tap(till)

    def use(till: Sender) -> Sent:
        fields: dict[str, Any] = {"outcome": EvidenceOutcome.GENUINE, "found_key_version": max(1, medium.key_version)}
        if medium.medium == MediumKind.CHIP:
            counter = (medium.counter + 1) % 2**24
            fields |= {"counter": counter, "found_counter": counter, "chain": medium.chain}
        elif medium.medium != MediumKind.STRIPE:
            fields |= {"found_counter": medium.counter + 1}
        return pay(till, read(till, medium, **fields), till.terminal())

    uses = rng.choice([3, 6, 12])
    till.burst.extend([use] * uses)
    till.slow_messages = uses
    return use(till)


# --------------------------------------------------------------------------- bytes


def evidence_start(message: bytes) -> int | None:
    """Offset of the evidence in a whole message that was made with it."""
    at = len(message) - EVIDENCE_BYTES
    if len(message) < HEADER_BYTES or message[1] not in set(WITH_EVIDENCE):
        return None
    message_type, body = MessageType(message[1]), message[HEADER_BYTES:]
    if len(body) < REQUESTS[message_type].width_bytes():
        return None
    try:
        found = REQUESTS[message_type].decode(body)
    except LayoutError:
        return None
    return at if getattr(found, "evidence", None) is not None else None
