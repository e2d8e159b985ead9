"""One card operation on its way: the card, its account and type, and what the steps have in common (section 15)."""

from __future__ import annotations

from dataclasses import dataclass

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import FeeKind, FeeTender, OperateCardRequest, Relation
from switch.protocol.records import RecordKind

from . import card_life as life
from .accounts import available
from .state import Ask, Decision, Record, State


class RefusedError(Exception):
    """A check of one card failed; nothing of it has changed."""

    def __init__(self, code: ResponseCode, detail: int = 0) -> None:
        self.code, self.detail = code, detail


@dataclass(slots=True)
class Job:
    """One operation on one card."""

    state: State
    ask: Ask
    form: OperateCardRequest
    decision: Decision
    number: int
    paid_out_minor: int = 0
    charged_minor: int = 0

    @property
    def card(self) -> Record | None:
        """The card, if there is one (by now)."""
        return self.state.tables.card(self.number)

    @property
    def known(self) -> Record:
        """The card, which is there."""
        return self.state.tables.get(RecordKind.CARD, self.number)

    @property
    def account(self) -> Record | None:
        """Its account, if it has one."""
        return self.state.tables.account_of(self.number)

    @property
    def spent(self) -> Record:
        """Its account, which is there."""
        return self.state.tables.get(RecordKind.ACCOUNT, self.known.account_number)

    @property
    def type(self) -> Record:
        """The version in force of its type; a made card always has one."""
        card_type = self.state.tables.type_in_force(self.known.card_type, self.ask.today)
        assert card_type is not None, self.known
        return card_type

    def require(self, holds: bool, code: ResponseCode, detail: int = 0) -> None:
        """Refuse with a code unless something holds."""
        if not holds:
            raise RefusedError(code, detail)

    def touch(self, *records: Record) -> None:
        """The records are images."""
        self.decision.touch(*records)


# --------------------------------------------------------------------------- words of the section


def has_room_for(state: State, *, new_card: bool, new_account: bool) -> bool:
    """Whether a card and an account, where they are new, have room."""
    has_room = state.tables.has_room
    return (not new_card or has_room(RecordKind.CARD)) and (not new_account or has_room(RecordKind.ACCOUNT))


def expiry_from(date: int, card_type: Record) -> int:
    """Last date of use of a card whose use begins on a date; 0: no end."""
    return date + card_type.validity_days if card_type.validity_days else 0


def has_passed(card: Record, today: int) -> bool:
    """Whether the last date of use has passed."""
    return bool(card.expiry_date and card.expiry_date < today)


def is_supplementary(job: Job) -> bool:
    """Whether the card spends another card's account; 0 in the card means the type's relation."""
    return bool((job.known.relation or job.type.relation) == Relation.SUPPLEMENTARY)


def has_other_cards(job: Job) -> bool:
    """Whether another live card uses the same account."""
    return any(
        card.status in life.LIVE and card.card_number != job.number
        for card in job.state.tables.all(RecordKind.CARD)
        if card.account_number == job.known.account_number
    )


def fee_of(card_type: Record, kind: FeeKind) -> int:
    """Amount of a fee."""
    return int.from_bytes(card_type.fees_minor[4 * kind : 4 * kind + 4], "little")


def charges(card_type: Record, kinds: list[FeeKind], tender: int, at_hand: int) -> tuple[int, int] | None:
    """(charged in all, of it from the balance), or None when a fee cannot be taken so."""
    charged = from_balance = 0
    for kind in kinds:
        fee, bit = fee_of(card_type, kind), 1 << kind
        if fee == 0:
            continue
        if tender == FeeTender.WAIVED:
            if not card_type.fees_waivable & bit:
                return None
            continue
        charged += fee
        if tender == FeeTender.BALANCE:
            from_balance += fee
            if not card_type.fees_from_balance & bit or from_balance > at_hand:
                return None
    return charged, from_balance


def fee_checked(job: Job, *kinds: FeeKind) -> tuple[int, int]:
    """What the fee comes to; refused when it cannot be taken."""
    found = charges(job.type, list(kinds), job.form.fee_tender, available(job.spent))
    if found is None:
        raise RefusedError(ResponseCode.FEE_REFUSED)
    return found


def take_fee(job: Job, fee: tuple[int, int]) -> None:
    """Charge what was checked."""
    job.charged_minor += fee[0]
    if fee[1]:
        job.spent.balance_minor -= fee[1]
        job.touch(job.spent)
