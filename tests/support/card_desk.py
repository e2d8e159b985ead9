"""Operators' messages to a decider (the twin, the fast path): one call a message, answers with the records changed.

Works at the level of plain messages, so the same test runs on everything that decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import REQUESTS, CardOperation, CardStatus, Header, MessageType, Reply, Right
from switch.protocol.records import RECORDS, CardRecord, EntryHeader, RecordKind, images_of, record_key

DAY_MS = 86_400_000
FIRST_DAY = 20_000
EVERY_RIGHT = int(Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS)
HEADER_BYTES = Header.width_bytes()


class Decider(Protocol):
    """Twin or fast path."""

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply of a whole message, and its journal entry behind those that the decider wrote of itself."""


@dataclass(frozen=True)
class Answer:
    """Reply to one message, and the images of its entry by kind and key."""

    reply: Reply
    images: dict[tuple[int, ...], Any]

    @property
    def code(self) -> ResponseCode:
        return ResponseCode(self.reply.code)

    @property
    def said(self) -> tuple[ResponseCode, int]:
        """Code and detail."""
        return self.code, self.reply.detail

    @property
    def results(self) -> list[tuple[ResponseCode, int]]:
        """Code and detail of every card of a range."""
        return [(ResponseCode(result.code), result.detail) for result in self.reply.results]

    def image(self, kind: RecordKind, *key: int) -> Any:
        """One changed record; None when the entry has no image of it."""
        return self.images.get((kind, *key, *([0, 0] if kind >= RecordKind.CARD_LIMIT and len(key) == 1 else [])))

    def card(self, card_number: int) -> CardRecord:
        """A card that was changed."""
        found = self.image(RecordKind.CARD, card_number)
        assert found is not None, (card_number, self)
        return found  # type: ignore[no-any-return]


def images(entries: bytes) -> dict[tuple[int, ...], Any]:
    """Records behind the reply of the last of some entries, by kind and key."""
    entry = entries
    while (size_bytes := int.from_bytes(entry[:4], "little")) < len(entry):
        entry = entry[size_bytes:]
    header = EntryHeader.decode(entry[: EntryHeader.width_bytes()])
    at = EntryHeader.width_bytes() + sum(-(-size // 8) * 8 for size in (header.request_bytes, header.reply_bytes))
    found = images_of(entry[at : header.entry_bytes])
    return {(image[0], *record_key(image)): RECORDS[RecordKind(image[0])].decode(image) for image in found}


class CardDesk:
    """A decider and its days; noon of FIRST_DAY is when it begins. Business dates are those of UTC."""

    def __init__(self, decider: Decider) -> None:
        self.decider = decider
        self.today = FIRST_DAY
        self.trace_number = 0

    def ask(self, type_: MessageType, by: int = 999, **fields: Any) -> Answer:
        """One keyed message of terminal `by`; what it does not name has the default of the message."""
        self.trace_number += 1
        now_ms = self.today * DAY_MS + DAY_MS // 2
        key = {"trace_number": self.trace_number, "business_date": self.today, "stamp_ms": now_ms}
        body = Packed.encode(REQUESTS[type_](**key, **fields))
        message = Header(type=type_, sequence=self.trace_number).encode() + body
        reply, entry = self.decider.decide(by, EVERY_RIGHT, message, now_ms)
        decoded = Reply.decode(reply[HEADER_BYTES:])
        assert entry is not None, ResponseCode(decoded.code).name
        return Answer(decoded, images(entry))

    def do(self, type_: MessageType, **fields: Any) -> Answer:
        """One message that must be approved."""
        answer = self.ask(type_, **fields)
        assert answer.code == ResponseCode.APPROVED, (type_.name, fields, answer.said)
        return answer

    def operate(self, operation: CardOperation, card_number: int, **fields: Any) -> Answer:
        """One operation of the card desk."""
        fields = {"operator_id": 1, **fields}
        return self.ask(MessageType.OPERATE_CARD, operation=operation, card_number=card_number, **fields)

    def done(self, operation: CardOperation, card_number: int, **fields: Any) -> Answer:
        """One operation that must be approved, for every card of its range."""
        answer = self.operate(operation, card_number, **fields)
        assert {code for code, _ in answer.results} == {ResponseCode.APPROVED}, (operation.name, fields, answer.results)
        return answer

    def make_card(self, card_number: int, *, card_type: int = 1, value_minor: int = 0, **fields: Any) -> None:
        """A card that is given out; it is active unless its type asks for activation."""
        fields = {"card_type": card_type, "amount_minor": value_minor, **fields}
        self.done(CardOperation.MAKE_AND_ISSUE, card_number, **fields)

    def bring_to(
        self, status: CardStatus | None, card_number: int, *, spare_number: int = 0, card_type: int = 1
    ) -> None:
        """Bring a number that no card has to a status (EXPIRED: the last date must have passed meanwhile).

        Its type asks for activation; `spare_number` is another unused number, for the card that goes on.
        """
        for operation in WAYS[status]:
            fields: dict[str, Any] = {}
            if operation in (CardOperation.RESERVE, CardOperation.MAKE):
                fields["card_type"] = card_type
            if operation == CardOperation.REPLACE:
                self.done(CardOperation.MAKE, spare_number, card_type=card_type)
            if operation in (CardOperation.REPLACE, CardOperation.CORRECT):
                fields |= {"related_number": spare_number, "approver_id": 2}
            if operation == CardOperation.DRAW:
                fields["store_id"] = 7
            self.done(operation, card_number, **fields)


_ISSUED = (CardOperation.MAKE, CardOperation.ISSUE)
_ACTIVE = (*_ISSUED, CardOperation.ACTIVATE)
WAYS: dict[CardStatus | None, tuple[CardOperation, ...]] = {
    None: (),
    CardStatus.ACTIVE: _ACTIVE,
    CardStatus.FROZEN: (*_ACTIVE, CardOperation.FREEZE),
    CardStatus.RESERVED: (CardOperation.RESERVE,),
    CardStatus.MADE: (CardOperation.MAKE,),
    CardStatus.DRAWN: (CardOperation.MAKE, CardOperation.DRAW),
    CardStatus.ISSUED: _ISSUED,
    CardStatus.LOST: (*_ACTIVE, CardOperation.REPORT_LOSS),
    CardStatus.EXPIRED: (CardOperation.EXPIRE,),
    CardStatus.BAD: (*_ACTIVE, CardOperation.MARK_BAD),
    CardStatus.REPLACED: (*_ACTIVE, CardOperation.REPLACE),
    CardStatus.RETURNED: (*_ACTIVE, CardOperation.RETURN),
    CardStatus.VOID: (*_ACTIVE, CardOperation.VOID),
    CardStatus.CORRECTED: (*_ACTIVE, CardOperation.CORRECT),
    CardStatus.CLEARED: (CardOperation.MAKE, CardOperation.CLEAR),
    CardStatus.RELEASED: (CardOperation.RESERVE, CardOperation.UNRESERVE),
}
"""Operations that lead an unused number to a status."""
