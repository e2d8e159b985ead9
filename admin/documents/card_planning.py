"""What the kinds of documents about cards share: forms, which cards an operation can be done to, fees, ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, select

from admin.access import mask_number
from admin.cards.numbers import Run, runs
from admin.cards.terms import Terms
from admin.errors import RefusedError
from admin.forms import entry
from admin.i18n import translate
from admin.models.documents import Document, DocumentStep, StepState
from admin.models.mirror import accounts
from admin.words import STATUSES
from switch.protocol.card_terms import CardOperation, CardStatus, FeeKind, FeeTender, OperationFlag, Relation
from switch.protocol.codes import CodeClass, code_class
from switch.protocol.lifecycle import TRANSITIONS
from switch.protocol.messages import CardFlag, MessageType, OperateCardRequest, RangeResult, decode_rows

from .kind import Planning

_ = str
CARDS_HINT = _("One number per line, or a range: first - last. A list may be pasted from Excel.")
TENDERS: dict[int, str] = {
    FeeTender.CASH: _("Paid at the desk"),
    FeeTender.BALANCE: _("From the balance of the card"),
    FeeTender.WAIVED: _("Waived"),
}
FEES: dict[int, str] = {
    FeeKind.ISSUE: _("Issue"),
    FeeKind.JOINING: _("Joining"),
    FeeKind.REPLACE: _("Replacement"),
    FeeKind.REPORT_LOSS: _("Loss report"),
    FeeKind.RESTORE: _("Restoring"),
    FeeKind.RETURN: _("Return"),
    FeeKind.RENEW: _("Renewal"),
    FeeKind.ANNUAL: _("Annual fee"),
    FeeKind.SUPPLEMENTARY_ANNUAL: _("Annual fee of a supplementary card"),
    FeeKind.SERVICE: _("Service"),
    FeeKind.SWAP: _("Swap"),
    FeeKind.OTHER: _("Other"),
}
FEES_LABEL = _("Fees")
NEVER_REFUSED = (CardOperation.REPORT_LOSS, CardOperation.CHARGE_FEE)
"""A fee that cannot be taken does not stop these: the card is marked instead."""
LISTING = (CardOperation.BLACKLIST, CardOperation.UNBLACKLIST)
NOT_SO = _("Its state does not allow this.")


class Cards(msgspec.Struct, frozen=True, kw_only=True):
    """Cards that an operation is done to."""

    cards: Annotated[str, entry(_("Cards"), "cards", hint=CARDS_HINT)]
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0


class CardsWithFee(Cards, frozen=True, kw_only=True):
    """Cards, and how the fee of the operation is paid."""

    tender: Annotated[int, entry(_("Fee"), "choice", choices=TENDERS)] = FeeTender.CASH


WhyNot = Callable[[Planning, Any, Row[Any], Terms], str | None]
"""Why an operation cannot be done to a card, in English and marked for translation; None: it can."""


@dataclass(frozen=True, slots=True)
class Operation:
    """How one operation on listed cards is planned."""

    operation: CardOperation
    by_checker: bool = False
    why_not: WhyNot | None = None
    fields: Callable[[Planning, Any], dict[str, Any]] | None = None
    """Further fields of the request."""
    fee: Callable[[Any, Row[Any]], FeeKind | None] | None = None
    """Kind of the fee for a card; else the one of the table of transitions."""
    one_by_one: bool = False
    amount_minor: Callable[[Any, Row[Any], int], int] | None = None
    """Value that moves with a card, from form, card and fee; of cards with their account's balance."""

    def __call__(self, planning: Planning, form: Any) -> None:
        """Adds a request for each run of cards to which it can be done; the others are skipped, and it says why."""
        terms = Terms(planning.session, planning.today)
        amounts: dict[int, int] = {}
        for card in planning.cards(form.cards):
            why = self._why_not(planning, form, card, terms)
            if why is not None:
                skip_card(planning, card, why)
                continue
            fee_minor = self._fee_minor(form, card, terms)
            if fee_minor:
                planning.sums_minor[FEES_LABEL] += fee_minor
            amount = self.amount_minor(form, card, fee_minor) if self.amount_minor is not None else 0
            amounts[card.card_number] = amount
        fields = self.fields(planning, form) if self.fields is not None else {}
        add_runs(
            planning,
            self.operation,
            runs(amounts, 1) if self.one_by_one else runs(amounts),
            by_checker=self.by_checker,
            amounts=amounts,
            **{"reason": form.reason, "fee_tender": getattr(form, "tender", FeeTender.WAIVED), **fields},
        )

    def _why_not(self, planning: Planning, form: Any, card: Row[Any], terms: Terms) -> str | None:
        operation = self.operation
        if CardStatus(card.status) not in TRANSITIONS[operation].froms:
            return NOT_SO
        if operation in LISTING and bool(card.flags & CardFlag.BLACKLISTED) == (operation is CardOperation.BLACKLIST):
            return _("It is so already.")
        if self.why_not is not None and (why := self.why_not(planning, form, card, terms)) is not None:
            return why
        kind = self._fee_kind(form, card)
        if kind is None or operation in NEVER_REFUSED or not hasattr(form, "tender"):
            return None
        return why_not_tender(terms, card.card_type, kind, form.tender)

    def _fee_kind(self, form: Any, card: Row[Any]) -> FeeKind | None:
        return self.fee(form, card) if self.fee is not None else TRANSITIONS[self.operation].fee

    def _fee_minor(self, form: Any, card: Row[Any], terms: Terms) -> int:
        kind = self._fee_kind(form, card)
        if kind is None or getattr(form, "tender", FeeTender.CASH) == FeeTender.WAIVED:
            return 0
        return terms.fee_minor(card.card_type, kind)


def annual_fee_of(terms: Terms, card_type: int) -> FeeKind:
    """Which annual fee the cards of a type owe: that of supplementary cards is a setting of its own."""
    version = terms.in_force(card_type)
    is_supplementary = version is not None and version.relation == Relation.SUPPLEMENTARY
    return FeeKind.SUPPLEMENTARY_ANNUAL if is_supplementary else FeeKind.ANNUAL


def why_not_tender(terms: Terms, card_type: int, kind: FeeKind, tender: int) -> str | None:
    """Why a fee cannot be paid like that; None when it can."""
    if tender == FeeTender.WAIVED and not terms.is_waivable(card_type, kind):
        return _("Its type does not allow to waive this fee.")
    if tender == FeeTender.BALANCE and not terms.is_from_balance(card_type, kind):
        return _("Its type does not allow to take this fee from the balance.")
    return None


def skip_card(planning: Planning, card: Row[Any], why: str) -> None:
    """Leave a card out; its state is named."""
    number = planning.visitor.card_number(card.card_number)
    planning.skip(f"{number} · {translate(STATUSES.get(card.status, ''))}", why)


def add_runs(
    planning: Planning,
    operation: CardOperation,
    found: Iterable[Run],
    *,
    by_checker: bool = False,
    amounts: dict[int, int] | None = None,
    flags: int = 0,
    subject: str = "",
    **fields: Any,
) -> None:
    """A request for each run."""
    for run in found:
        planning.add(
            MessageType.OPERATE_CARD,
            card_number=run.first,
            item_count=run.count,
            subject=subject or (f"{run.count} → {mask_number(str(run.last))}" if run.count > 1 else ""),
            moved_minor=sum(amounts[number] for number in run.numbers()) if amounts else 0,
            by_checker=by_checker,
            operation=operation,
            count=run.count,
            flags=flags | (OperationFlag.CHECK_DIGIT if run.with_check_digit else 0),
            **fields,
        )


def run_of(step: DocumentStep) -> Run:
    """Cards of one request of a document."""
    if step.type != MessageType.OPERATE_CARD or not step.body:
        return Run(step.card_number, step.item_count, False)
    request = OperateCardRequest.decode(step.body)
    return Run(request.card_number, request.count, bool(request.flags & OperationFlag.CHECK_DIGIT))


def card_results(step: DocumentStep) -> Iterator[tuple[int, int, int]]:
    """(card number, code, detail) of each card of a request that was answered."""
    numbers = run_of(step).numbers()
    if step.results:
        for number, result in zip(numbers, decode_rows(RangeResult, step.results), strict=False):
            yield number, result.code, result.detail
    else:
        for number in numbers:
            yield number, step.code, step.detail


def done_cards(planning: Planning, document: Document) -> list[int]:
    """Cards to which a finished document was done, not those that were so before."""
    steps = planning.session.scalars(
        select(DocumentStep)
        .where(DocumentStep.document_id == document.id, DocumentStep.state.in_((StepState.DONE, StepState.PARTLY)))
        .order_by(DocumentStep.number)
    )
    return [
        number
        for step in steps
        for number, code, _detail in card_results(step)
        if code_class(code) is CodeClass.APPROVED
    ]


def lines_of(numbers: Sequence[int]) -> str:
    """Numbers as a form takes them: ranges and single ones."""
    found = []
    for run in runs(numbers, len(numbers) or 1):
        if run.count > 1 and not run.with_check_digit:
            found.append(f"{run.first} - {run.last}")
        else:
            found.extend(str(number) for number in run.numbers())
    return "\n".join(found)


def undone_by(name: str, form_type: type[msgspec.Struct] = Cards) -> Any:
    """The cards that it was done to, the other way round."""

    def undo(planning: Planning, document: Document, _form: Any) -> tuple[str, msgspec.Struct]:
        numbers = done_cards(planning, document)
        if not numbers:
            raise RefusedError("This document has changed nothing that could be undone.")
        return name, form_type(cards=lines_of(numbers))

    return undo


def balances_of(planning: Planning, card: Row[Any]) -> Row[Any] | None:
    """The account of a card."""
    if not card.account_number:
        return None
    return planning.session.execute(select(accounts).where(accounts.c.account_number == card.account_number)).first()
