"""From a number to a card in somebody's hand: reserve, make, draw, issue, make and issue, by range or list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, exists, select

from admin.card_search import between
from admin.cards.authorisations import find_open, take
from admin.cards.numbers import following, luhn_digit, runs
from admin.cards.terms import Terms, approved_types
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.authorisations import Task
from admin.models.documents import Document
from admin.models.mirror import accounts, cards, organisations
from admin.parameters import ISSUE_ALONE_AMOUNT, ISSUE_ALONE_CARDS, MINOR_UNITS
from admin.rights import Action
from admin.store_names import store_choices
from switch.protocol.card_terms import (
    CardOperation,
    CardStatus,
    CardTypeFlag,
    FeeKind,
    FeeTender,
    OperationFlag,
    Relation,
    TypeState,
)
from switch.protocol.lifecycle import TRANSITIONS
from switch.protocol.limits import CARD_NUMBER_MAX, CARD_NUMBER_MIN
from switch.protocol.messages import MessageType
from switch.protocol.terms import NO_LIMIT

from .bounds import AloneBound, Measure
from .card_planning import (
    FEES_LABEL,
    NOT_SO,
    TENDERS,
    Cards,
    Operation,
    add_runs,
    annual_fee_of,
    skip_card,
    undone_by,
    why_not_tender,
)
from .kind import CARDS_MAX, Kind, Planning, subject

_ = str
FIRST_HINT = _("With its check digit, where the numbers have one.")


def _types(context: FormContext) -> dict[int | str, str]:
    return {code: name for code, name in approved_types(context.session).items()}  # noqa: C416  wider keys for mypy


def _organisations(context: FormContext) -> dict[int | str, str]:
    query = context.visitor.organisations_seen(select(organisations)).order_by(organisations.c.organisation_id)
    return {row.organisation_id: f"{row.organisation_id} {row.name}" for row in context.session.execute(query)}


class NewNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that have no card yet: a type, the first of them, and how many."""

    card_type: Annotated[int, entry(_("Card type"), "choice", choices=_types)]
    first: Annotated[int, entry(_("First number"), "card", hint=FIRST_HINT)]
    count: Annotated[int, entry(_("Cards"), "integer", ge=1, le=CARDS_MAX)] = 1
    with_check_digit: Annotated[bool, entry(_("The last digit is a check digit (Luhn)"), "check")] = False
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        digit = luhn_digit(self.first // 10)
        if self.with_check_digit and self.first % 10 != digit:
            yield "first", translate("The check digit of this number is {digit}.").format(digit=digit)
        last = self.first + self.count * (10 if self.with_check_digit else 1)
        if not CARD_NUMBER_MIN <= self.first <= CARD_NUMBER_MAX or last > CARD_NUMBER_MAX:
            yield "first", translate("Card numbers have 8 to 19 digits.")


class MakeCards(NewNumbers, frozen=True, kw_only=True):
    """New cards of a type."""

    from_reserved: Annotated[bool, entry(_("Also numbers that are reserved"), "check")] = False


ValueEach = Annotated[int, entry(_("Value of each card"), "money", ge=0, le=10**12)]
Tender = Annotated[int, entry(_("Fee"), "choice", choices=TENDERS)]
Member = Annotated[int, entry(_("Member number"), "integer", ge=0, hint=_("A type of named cards needs one."))]
IsFirst = Annotated[bool, entry(_("The member's first card (with the joining fee)"), "check")]
Issuer = Annotated[
    int, entry(_("Issuing organisation"), "choice", choices=_organisations, hint=_("Else that of the desk."))
]
MainCard = Annotated[
    int, entry(_("Card whose account it joins"), "card", hint=_("For supplementary, linked and group cards."))
]


class IssueCards(Cards, frozen=True, kw_only=True):
    """Cards from stock that are given out."""

    value_minor: ValueEach = 0
    tender: Tender = FeeTender.CASH
    member: Member = 0
    is_first: IsFirst = False
    organisation_id: Issuer = 0
    main_card: MainCard = 0


class MakeAndIssue(MakeCards, frozen=True, kw_only=True):
    """New cards that are given out at once."""

    value_minor: ValueEach = 0
    tender: Tender = FeeTender.CASH
    member: Member = 0
    is_first: IsFirst = False
    organisation_id: Issuer = 0
    main_card: MainCard = 0


Issue = IssueCards | MakeAndIssue


class DrawCards(Cards, frozen=True, kw_only=True):
    """Made cards that go to a store."""

    store_id: Annotated[int, entry(_("Store"), "choice", choices=store_choices)]


# ------------------------------------------------------------------------- new numbers


def _plan_new(operation: CardOperation) -> Any:
    def plan(planning: Planning, form: NewNumbers) -> None:
        terms = Terms(planning.session, planning.today)
        _must_be_in_force(terms, form, operation)
        numbers = list(_free_numbers(planning, form, operation))
        fields: dict[str, Any] = {"card_type": form.card_type, "reason": form.reason}
        amounts: dict[int, int] = {}
        flags = OperationFlag.FROM_RESERVED if getattr(form, "from_reserved", False) else OperationFlag(0)
        if operation is not CardOperation.RESERVE:
            planning.counts[form.card_type, Task.MAKE] += len(numbers)
        if isinstance(form, MakeAndIssue):
            _must_issue(planning, form)
            if (why := _why_not_issue(planning, form, form.card_type, terms)) is not None:
                raise RefusedError(why)
            planning.counts[form.card_type, Task.ISSUE] += len(numbers)
            planning.sums_minor[FEES_LABEL] += len(numbers) * _issue_fee(terms, form, form.card_type)
            amounts = dict.fromkeys(numbers, form.value_minor)
            fields |= _issue_fields(form)
            flags |= OperationFlag.JOINING if form.is_first else OperationFlag(0)
        _must_be_authorised(planning)
        add_runs(planning, operation, runs(numbers), flags=int(flags), amounts=amounts, **fields)
        if isinstance(form, MakeAndIssue):
            _must_be_first(planning, form)
            _add_first_annual(planning, form, terms, form.card_type)

    return plan


def _must_be_in_force(terms: Terms, form: NewNumbers, operation: CardOperation) -> None:
    version = terms.in_force(form.card_type)
    if version is None:
        raise RefusedError("Card type {type} has no version that holds today.", type=form.card_type)
    if operation is CardOperation.RESERVE:
        return
    if terms.state(form.card_type) != TypeState.APPROVED:
        raise RefusedError("Card type {type} is not approved: no cards of it are made.", type=form.card_type)
    digits = str(form.first)
    if version.number_digits and len(digits) != version.number_digits:
        raise RefusedError(
            "First number: cards of type {type} have {count} digits.", type=form.card_type, count=version.number_digits
        )
    if version.number_prefix and not digits.startswith(str(version.number_prefix)):
        raise RefusedError(
            "First number: numbers of type {type} begin with {prefix}.",
            type=form.card_type,
            prefix=version.number_prefix,
        )


def _free_numbers(planning: Planning, form: NewNumbers, operation: CardOperation) -> Iterator[int]:
    """Numbers that the operation may take; those that have a card already are left out."""
    numbers = list(following(form.first, form.count, with_check_digit=form.with_check_digit))
    taken: dict[int, Row[Any]] = {}
    for condition in between(cards.c.card_number, numbers[0], numbers[-1]):
        query = select(cards.c.card_number, cards.c.status, cards.c.card_type).where(condition)
        taken |= {row.card_number: row for row in planning.session.execute(query.limit(CARDS_MAX + 1))}
    froms = TRANSITIONS[operation].froms
    for number in numbers:
        card = taken.get(number)
        if card is None:
            yield number
        elif CardStatus(card.status) not in froms:
            skip_card(planning, card, _("There is such a card already."))
        elif card.status == CardStatus.RESERVED and not getattr(form, "from_reserved", False):
            skip_card(planning, card, _("The number is reserved."))
        else:
            yield number


# ------------------------------------------------------------------------- issuing


def _plan_issue(planning: Planning, form: IssueCards) -> None:
    if form.main_card:
        planning.card(form.main_card)
    operation = Operation(
        CardOperation.ISSUE,
        why_not=_why_not_issue_card,
        fields=lambda _planning, form: {
            **_issue_fields(form),
            "flags": OperationFlag.JOINING if form.is_first else 0,
        },
        fee=lambda _form, _card: FeeKind.ISSUE,
        amount_minor=lambda form, _card, _fee: form.value_minor,
    )
    operation(planning, form)
    _must_be_first(planning, form)
    if form.is_first:
        terms = Terms(planning.session, planning.today)
        for (card_type, _task), count in planning.counts.items():
            planning.sums_minor[FEES_LABEL] += count * _charged(terms, form, card_type, FeeKind.JOINING)
            _add_first_annual(planning, form, terms, card_type)
    _must_be_authorised(planning)


def _why_not_issue_card(planning: Planning, form: IssueCards, card: Row[Any], terms: Terms) -> str | None:
    if CardStatus(card.status) not in TRANSITIONS[CardOperation.ISSUE].froms:
        return NOT_SO
    if (why := _why_not_issue(planning, form, card.card_type, terms)) is not None:
        return why
    planning.counts[card.card_type, Task.ISSUE] += 1
    return None


def _why_not_issue(_planning: Planning, form: Issue, card_type: int, terms: Terms) -> str | None:
    version = terms.in_force(card_type)
    if version is None:
        return _("No version of its type holds today.")
    if version.flags & CardTypeFlag.NAMED and not form.member:
        return _("Cards of its type are named: fill in the member.")
    if version.relation == Relation.SUPPLEMENTARY and not form.main_card:
        return _("It is a supplementary card: fill in the card whose account it joins.")
    if form.is_first and not form.member:
        return _("The joining fee is for a member's first card: fill in the member.")
    if form.main_card and form.value_minor:
        return _("A card that joins an account is issued without a value of its own.")
    is_zero_good = not form.value_minor and not version.flags & CardTypeFlag.ONE_TIME
    face_max = min(version.face_minor_max, NO_LIMIT)
    if not form.main_card and not is_zero_good and not version.face_minor_min <= form.value_minor <= face_max:
        return _("Its type is not issued with this value.")
    return why_not_tender(terms, card_type, FeeKind.ISSUE, form.tender)


def _issue_fields(form: Issue) -> dict[str, Any]:
    return {
        "amount_minor": form.value_minor,
        "fee_tender": form.tender,
        "member": form.member,
        "organisation_id": form.organisation_id,
        "related_number": form.main_card,
    }


def _charged(terms: Terms, form: Issue, card_type: int, kind: FeeKind) -> int:
    return 0 if form.tender == FeeTender.WAIVED else terms.fee_minor(card_type, kind)


def _issue_fee(terms: Terms, form: Issue, card_type: int) -> int:
    fee_minor = _charged(terms, form, card_type, FeeKind.ISSUE)
    return fee_minor + (_charged(terms, form, card_type, FeeKind.JOINING) if form.is_first else 0)


def _add_first_annual(planning: Planning, form: Issue, terms: Terms, card_type: int) -> None:
    """The first annual fee goes along with the joining fee; the later ones fall due in the member's joining month."""
    kind = annual_fee_of(terms, card_type)
    fee_minor = terms.fee_minor(card_type, kind)
    if not (form.is_first and fee_minor and planning.orders):
        return
    if (why := why_not_tender(terms, card_type, kind, form.tender)) is not None:
        raise RefusedError(why)
    if form.tender != FeeTender.WAIVED:
        planning.sums_minor[FEES_LABEL] += fee_minor
    planning.add(
        MessageType.OPERATE_CARD,
        card_number=planning.orders[0].card_number,
        subject=subject(_("Annual fee")),
        moved_minor=0,
        operation=CardOperation.CHARGE_FEE,
        fee_tender=form.tender,
        reason=kind,
    )


def _must_be_first(planning: Planning, form: Issue) -> None:
    """The joining fee is charged once, with a member's first card."""
    if not form.is_first:
        return
    if planning.item_count > 1:
        raise RefusedError("Only one card is a member's first: issue the others without the joining fee.")
    if form.member and planning.session.scalar(select(exists().where(accounts.c.member == form.member))):
        raise RefusedError("This member has a card already: the joining fee is charged once.")


def _must_issue(planning: Planning, _form: Issue) -> None:
    if not planning.visitor.may("cards", Action.CHANGE):
        raise RefusedError("Making and issuing are two rights: you may make cards, not issue them.")


def _issue_bounds(planning: Planning, _form: Any) -> list[AloneBound]:
    cards_max, minor_max = planning.parameter(ISSUE_ALONE_CARDS), planning.parameter(ISSUE_ALONE_AMOUNT) * MINOR_UNITS
    return [
        AloneBound(_("Cards of one document"), Measure.CARDS, planning.item_count, cards_max),
        AloneBound(_("Value that they are issued with"), Measure.MONEY, planning.amount_minor, minor_max),
    ]


# ------------------------------------------------------------------------- authorisation


def _must_be_authorised(planning: Planning) -> None:
    """Tell while the plan is shown what submitting would refuse."""
    if planning.counts:
        find_open(planning.session, planning.visitor.user_id, planning.counts, planning.now)


def _take(planning: Planning, document: Document, _form: Any) -> None:
    take(planning.session, document, planning.counts, planning.now)


KINDS: list[Kind[Any]] = [
    Kind(
        name="reserve-numbers",
        label=_("Reserve numbers"),
        hint=_("Batch making passes over reserved numbers."),
        function="cards",
        action=Action.ADD,
        form=NewNumbers,
        plan=_plan_new(CardOperation.RESERVE),
        undo=undone_by("unreserve-numbers"),
    ),
    Kind(
        name="unreserve-numbers",
        label=_("Give reserved numbers back"),
        hint=_("The numbers may be made like any other."),
        function="cards",
        action=Action.ADD,
        form=Cards,
        plan=Operation(CardOperation.UNRESERVE),
    ),
    Kind(
        name="make-cards",
        label=_("Make cards"),
        hint=_("New cards of a type, one or a batch. Takes an open card-type authorisation."),
        function="cards",
        action=Action.ADD,
        form=MakeCards,
        plan=_plan_new(CardOperation.MAKE),
        permits=_take,
    ),
    Kind(
        name="draw-cards",
        label=_("Draw cards to a store"),
        hint=_("Made cards go into the custody of a store; only it issues them from then on."),
        function="cards",
        form=DrawCards,
        plan=Operation(CardOperation.DRAW, fields=lambda _planning, form: {"store_id": form.store_id}),
    ),
    Kind(
        name="issue-cards",
        label=_("Issue cards"),
        hint=_("Cards from stock go to their holders, one or a range. Takes an open card-type authorisation."),
        function="cards",
        form=IssueCards,
        plan=_plan_issue,
        bounds=_issue_bounds,
        permits=_take,
    ),
    Kind(
        name="make-and-issue",
        label=_("Make and issue cards"),
        hint=_("New cards go to their holders at once: both is done for a card, or nothing."),
        function="cards",
        action=Action.ADD,
        form=MakeAndIssue,
        plan=_plan_new(CardOperation.MAKE_AND_ISSUE),
        bounds=_issue_bounds,
        permits=_take,
    ),
]
