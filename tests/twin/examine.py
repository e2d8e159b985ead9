"""Section 18, what is examined: whether a medium's proof fits, told by the reference of the card formats.

`examine` takes the issuer's keys in the clear, as a plain dictionary, and fills in the found part of a message's
evidence.  The decision that follows needs no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from hsm import bar_code, cards, stripe, sun
from hsm.an10922 import diversify
from hsm.card_values import card_verification_value
from hsm.data_errors import TagDataError
from switch.protocol.messages import (
    WITH_EVIDENCE,
    Evidence,
    EvidenceOutcome,
    KeyPurpose,
    MediumFlag,
    MediumKind,
    MessageType,
)
from switch.protocol.records import RecordKind

from . import wire
from .receipts import active_version, cmac
from .state import Record, State

AMOUNT_END, CURRENCY_END = 10**12, 1000
ATC_END, TICKET_END, STAMP_S_END = 2**24, 2**32, 2**32
KEY_VERSION_MAX = 255
UID_BYTES = 7
CHIP_TYPES = {MessageType.DEBIT: 0, MessageType.QUOTE: 0, MessageType.HOLD: 1, MessageType.REDEEM: 2}
CONVERT_TYPE = 3
META_KEY_INPUT = bytes(UID_BYTES) + b"\xf0\x52\x54\x32%cSW001"
"""What diversifies the key that opens the PICC data of all tags of a version."""


class Challenges(NamedTuple):
    """Unpredictable numbers of a terminal's session, and of the one before."""

    current: bytes = bytes(8)
    previous: bytes = bytes(8)


class Found(NamedTuple):
    """What one step of an examination came to."""

    outcome: EvidenceOutcome
    fields: dict[str, Any]


def examine(
    state: State,
    master_keys: Mapping[tuple[int, int], bytes],
    terminal_id: int,
    message: bytes,
    now_ms: int,
    challenges: Challenges,
) -> bytes:
    """The message as it is decided; the same when it has no evidence. `now_ms` is the decision's."""
    header = wire.read_header(message)
    if header.type not in set(WITH_EVIDENCE) or wire.form_error(message, header) is not None:
        return message
    asked = wire.read_request(message, header)
    if asked.form.evidence is None:
        return message
    examiner = Examiner(state, master_keys, terminal_id, asked, now_ms, challenges)
    outcome, fields = examiner.examine()
    fields |= examiner.known
    evidence = msgspec.structs.replace(asked.form.evidence, outcome=outcome, **fields)
    form = msgspec.structs.replace(asked.form, card_number=examiner.card_number, evidence=evidence)
    body: bytes = form.encode()
    return message[: wire.HEADER_BYTES] + body


class Examiner:
    """One proof and the keys to examine it with."""

    def __init__(
        self,
        state: State,
        master_keys: Mapping[tuple[int, int], bytes],
        terminal_id: int,
        asked: wire.Asked,
        now_ms: int,
        challenges: Challenges,
    ) -> None:
        self.state, self.master_keys, self.terminal_id = state, master_keys, terminal_id
        self.asked, self.now_ms, self.challenges = asked, now_ms, challenges
        self.evidence: Evidence = asked.form.evidence
        self.card_number: int = asked.form.card_number
        self.known: dict[str, int] = {}
        """Fields that are found whatever the outcome is."""

    def examine(self) -> Found:
        """Outcome, and what is found besides."""
        steps = {
            MediumKind.CHIP: self._chip,
            MediumKind.CODE: self._code,
            MediumKind.STRIPE: self._stripe,
            MediumKind.TAG: self._tag,
        }
        step = steps.get(MediumKind(self.evidence.medium)) if self.evidence.medium in set(MediumKind) else None
        found = step() if step is not None else EvidenceOutcome.NOT_CHECKED
        return found if isinstance(found, Found) else Found(found, {})

    # ----------------------------------------------------------------------- media and keys

    def _record(self, medium_id: int) -> Record | None:
        """The enrolled medium; whose card is found by it when the request names none."""
        self.known["found_medium_id"] = medium_id
        record = self.state.tables.find(RecordKind.MEDIUM, self.evidence.medium, medium_id)
        if record is not None and self.card_number == 0 and self.evidence.medium in (MediumKind.CODE, MediumKind.TAG):
            self.card_number = record.card_number
        return record

    def _whole_version(self, record: Record) -> int:
        """The version behind one digit: the first from the record's on; 0 when there is none."""
        versions = range(max(1, record.key_version), KEY_VERSION_MAX + 1)
        version = next((number for number in versions if number % 10 == self.evidence.key_version % 10), 0)
        self.known["found_key_version"] = version
        return version

    def _medium_key(self, record: Record, purpose: KeyPurpose, card: cards.CardPurpose, unique: bytes) -> bytes | None:
        """The medium's own key of the found version: stored, or derived from its master."""
        version = self.known["found_key_version"]
        if not record.flags & MediumFlag.STORED_KEY:
            master = self.master_keys.get((purpose, version))
            return cards.card_key(master, card, version, unique) if master is not None else None
        stored = self.state.tables.find(RecordKind.CARD_KEY, record.medium, record.medium_id, version)
        storage = self.master_keys.get((KeyPurpose.STORAGE, stored.storage_version)) if stored is not None else None
        if stored is None or storage is None:
            return None
        try:
            return aes_key_unwrap(storage, stored.wrapped_key)
        except InvalidUnwrap:
            return None

    # ----------------------------------------------------------------------- chip

    def _chip(self) -> Found | EvidenceOutcome:
        evidence = self.evidence
        self.known |= {"found_key_version": evidence.key_version, "found_counter": evidence.counter}
        record = self._record(evidence.medium_id)
        if record is None:
            return EvidenceOutcome.MEDIUM_UNKNOWN
        uid = evidence.medium_id.to_bytes(UID_BYTES, "big")
        key = self._medium_key(record, KeyPurpose.CHIP, cards.CardPurpose.AC, uid)
        if key is None:
            return EvidenceOutcome.KEY_MISSING
        data = self._ac_data()
        if data is None or evidence.counter >= ATC_END:
            return EvidenceOutcome.WRONG
        answer = cards.AcAnswer(
            key_version=evidence.key_version,
            atc=evidence.counter,
            flags=evidence.chip_flags,
            chain=evidence.chain.to_bytes(cards.CHAIN_BYTES, "big"),
            cryptogram=evidence.proof[: cards.CRYPTOGRAM_BYTES],
        )
        if not cards.cryptogram_fits(key, uid, data, answer):
            return EvidenceOutcome.WRONG
        if evidence.challenge not in self.challenges:
            return EvidenceOutcome.CHALLENGE
        whole = cmac(cards.session_key(key, answer.atc, uid), answer.authenticated(data))
        chain, command = whole[8:12], self._command(record)
        told = cards.issuer_answer(key, uid, answer, chain, command)
        found = {"next": int.from_bytes(chain, "big"), "command": command, "answer": told[-8:]}
        return Found(EvidenceOutcome.GENUINE, found)

    def _ac_data(self) -> bytes | None:
        """What the terminal asked the chip to authenticate; None when no chip could have."""
        form, currency = self.asked.form, self.evidence.currency
        amount = 0 if self.asked.type == MessageType.REDEEM else form.amount_minor
        if not 0 <= amount < AMOUNT_END or currency >= CURRENCY_END or not 0 <= form.stamp_ms < STAMP_S_END * 1000:
            return None
        return cards.AcData(
            unpredictable_number=self.evidence.challenge,
            amount_minor=amount,
            currency=currency,
            transaction_type=CHIP_TYPES.get(self.asked.type, CONVERT_TYPE),
            time_s=form.stamp_ms // 1000,
            terminal=f"{self.terminal_id:08X}".encode(),
        ).pack()

    def _command(self, record: Record) -> int:
        """Whether the chip shall go over to another key that it holds."""
        active = active_version(self.state, KeyPurpose.CHIP)
        return 256 + active if self.evidence.key_version < active <= record.key_version_held else 0

    # ----------------------------------------------------------------------- code

    def _code(self) -> Found | EvidenceOutcome:
        record = self._record(self.evidence.medium_id)
        if record is None:
            return EvidenceOutcome.MEDIUM_UNKNOWN
        token = f"{record.medium_id:0{bar_code.TOKEN_DIGITS}d}"
        if not self._whole_version(record):
            return EvidenceOutcome.KEY_MISSING
        key = self._medium_key(record, KeyPurpose.CODE, cards.CardPurpose.CODE, bar_code.token_unique(token))
        if key is None:
            return EvidenceOutcome.KEY_MISSING
        middle = self.now_ms // 30_000 * 10
        numbers = range(max(0, middle - 20), middle + 21)
        number = next((number for number in numbers if number % 100 == self.evidence.counter), None)
        if number is None:
            return EvidenceOutcome.STALE
        told = bar_code.one_time_code(key, self.known["found_key_version"], token, number)
        if int(told) != int.from_bytes(self.evidence.proof[:4], "little"):
            return EvidenceOutcome.WRONG
        return Found(EvidenceOutcome.GENUINE, {"found_counter": number})

    # ----------------------------------------------------------------------- stripe

    def _stripe(self) -> Found | EvidenceOutcome:
        evidence, record = self.evidence, self._record(self.card_number)
        if record is None:
            return EvidenceOutcome.MEDIUM_UNKNOWN
        version, number = self._whole_version(record), str(self.card_number)
        keys = [self.master_keys.get((purpose, version)) for purpose in (KeyPurpose.STRIPE, KeyPurpose.JITTER)]
        if keys[0] is None or keys[1] is None:
            return EvidenceOutcome.KEY_MISSING
        told, cvv, service, expiry = (
            int.from_bytes(evidence.proof[start:end], "little") for start, end in ((0, 4), (4, 6), (6, 8), (8, 10))
        )
        if not 8 <= len(number) <= 16 or service > 999 or expiry > 9999:
            return EvidenceOutcome.WRONG
        expiry_yymm = f"{expiry:04d}"
        if int(card_verification_value(keys[0], number, expiry_yymm, f"{service:03d}")) != cvv:
            return EvidenceOutcome.WRONG
        unique = cards.card_number_unique(number)
        jitter_key = cards.card_key(keys[1], cards.CardPurpose.JITTER, version, unique)

        def digits(ticket: int) -> int:
            return int(stripe.ticket_mac(jitter_key, version, number, expiry_yymm, ticket % TICKET_END))

        highest = max(record.counter, record.pending_counter)
        counter = highest - (highest - evidence.counter) % 1000
        if evidence.counter > 999 or not 0 <= counter < TICKET_END or digits(counter) != told:
            return EvidenceOutcome.WRONG
        waits = record.pending_counter != 0 and counter == record.counter
        follows = record.pending_counter if waits else (counter + 1) % TICKET_END
        found = {"found_counter": counter, "next": follows, "answer": digits(follows).to_bytes(8, "little")}
        return Found(EvidenceOutcome.GENUINE, found)

    # ----------------------------------------------------------------------- tag

    def _tag(self) -> Found | EvidenceOutcome:
        evidence, version = self.evidence, self.evidence.key_version
        self.known["found_key_version"] = version
        master = self.master_keys.get((KeyPurpose.TAG, version))
        if master is None:
            return EvidenceOutcome.KEY_MISSING
        try:
            reading = sun.decipher_picc_data(diversify(master, META_KEY_INPUT % version), evidence.proof)
        except TagDataError:
            return EvidenceOutcome.WRONG
        record = self._record(int.from_bytes(reading.uid, "big"))
        if record is None:
            return EvidenceOutcome.MEDIUM_UNKNOWN
        file_key = cards.card_key(master, cards.CardPurpose.TAG, version, reading.uid)
        if not sun.check_tag(file_key, reading, evidence.tag_mac):
            return EvidenceOutcome.WRONG
        return Found(EvidenceOutcome.GENUINE, {"found_counter": reading.read_counter})
