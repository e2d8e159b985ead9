"""Card types: writing them, submitting, approving, suspending, retiring, and their lists of stores and operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import select

from admin.cards.terms import Terms, is_in_use, type_names, versions_of
from admin.cards.type_form import CardType, frozen_changes, request_fields
from admin.errors import RefusedError
from admin.forms import FormContext, declared, entry
from admin.i18n import translate
from admin.models.documents import Document, DocumentState
from admin.rights import Action
from switch.protocol.card_terms import TypeState
from switch.protocol.messages import AllowedList, MessageType

from .kind import Kind, Planning, always

_ = str
WRITING = "write-card-type"
LISTS: dict[int, str] = {
    AllowedList.STORES: _("Stores that accept it"),
    AllowedList.OUTLETS: _("Stores that recharge it"),
    AllowedList.OPERATORS: _("Operators who recharge it"),
}
NUMBERS_MAX = 1_000
"""Stores or operators of one document."""


def _all_types(context: FormContext) -> dict[int | str, str]:
    return {code: f"{code} {name}" for code, name in type_names(context.session).items()}


class OfType(msgspec.Struct, frozen=True, kw_only=True):
    """A card type that something is done to."""

    code: Annotated[int, entry(_("Card type"), "choice", choices=_all_types)]


class Allowed(OfType, frozen=True, kw_only=True):
    """Stores or operators that go on a list of a type, or off it."""

    list: Annotated[int, entry(_("List"), "choice", choices=LISTS)]
    numbers: Annotated[
        str, entry(_("Numbers"), "area", hint=_("Numbers of stores or operators, one per line."), max_length=20_000)
    ]
    allowed: Annotated[
        int, entry(_("What"), "choice", choices={1: _("Put on the list"), 0: _("Take off the list")})
    ] = 1

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if not all(text.isdecimal() and 0 < int(text) < 2**32 for text in self.wanted()):
            yield "numbers", translate("A whole number is expected.")
        elif len(self.wanted()) > NUMBERS_MAX:
            yield "numbers", translate("At most {bound}.").format(bound=NUMBERS_MAX)

    def wanted(self) -> tuple[str, ...]:
        """Each number once."""
        return tuple(dict.fromkeys(text for text in re.split(r"[\s,;，；]+", self.numbers) if text))


def writers_of(planning: Planning, code: int) -> set[int]:
    """Who has written a type on these pages, drafts that were sent and versions alike."""
    query = select(Document.maker_id).where(
        Document.kind == WRITING,
        Document.form.startswith(f'{{"code":{code},'),
        Document.state.in_((DocumentState.DONE, DocumentState.PARTLY, DocumentState.RUNNING)),
    )
    return set(planning.session.scalars(query))


def _plan_writing(planning: Planning, form: CardType) -> None:
    terms = Terms(planning.session, planning.today)
    state = terms.state(form.code)
    if state == TypeState.SUBMITTED:
        raise RefusedError("Card type {type} is submitted: send it back to its author first.", type=form.code)
    if state == TypeState.RETIRED:
        raise RefusedError("Card type {type} is retired: nothing of it changes any more.", type=form.code)
    if not planning.visitor.sees_everything and not planning.visitor.may_place_in(form.organisation_id):
        raise RefusedError("Owner: this is not in your part of the organisation.")
    _must_own(planning, form.code)
    version = terms.in_force(form.code) or next(iter(versions_of(planning.session, form.code)), None)
    if version is not None and is_in_use(planning.session, form.code):
        if changed := frozen_changes(form, version):
            labels = {one.name: one.meta.title or one.name for one in declared(CardType)}
            names = ", ".join(translate(labels[name]) for name in changed)
            raise RefusedError("Cards of this type were made: {fields} cannot change any more.", fields=names)
        if form.from_date <= planning.today:
            raise RefusedError("Holds from: a type in use gets a new version from a day after today on.")
    planning.add(
        MessageType.PUT_CARD_TYPE,
        subject=f"{form.code} {form.name}",
        state=0 if state else TypeState.DRAFT,
        **request_fields(form),
    )


def _must_own(planning: Planning, code: int) -> None:
    """A part of the group changes its own types, not those of the group or of another part."""
    found = versions_of(planning.session, code)
    if found and not planning.visitor.may_place_in(found[0].organisation_id):
        raise RefusedError("Card type {type} belongs to another part of the organisation.", type=code)


def _is_beyond_draft(planning: Planning, form: CardType) -> bool:
    return Terms(planning.session, planning.today).state(form.code) not in (0, TypeState.DRAFT)


def _plan_state(to: TypeState, *froms: TypeState) -> Any:
    def plan(planning: Planning, form: OfType) -> None:
        terms = Terms(planning.session, planning.today)
        _must_own(planning, form.code)
        if terms.state(form.code) not in froms:
            raise RefusedError("Card type {type} is in another state by now.", type=form.code)
        if to is TypeState.APPROVED and TypeState.SUBMITTED in froms:
            author = terms.states[form.code].author
            if planning.visitor.user_id in writers_of(planning, form.code) | {author}:
                raise RefusedError("A second person must agree: nobody approves a type that he wrote himself.")
        planning.add(
            MessageType.SET_TYPE_STATE,
            subject=f"{form.code} {type_names(planning.session).get(form.code, '')}",
            code=form.code,
            state=to,
        )

    return plan


def _plan_allowed(planning: Planning, form: Allowed) -> None:
    _must_own(planning, form.code)
    for number in form.wanted():
        planning.add(
            MessageType.PUT_ALLOWED,
            subject=number,
            code=form.code,
            list=form.list,
            allowed=form.allowed,
            number=int(number),
        )


def _back(name: str) -> Any:
    def undo(_planning: Planning, _document: Document, form: OfType) -> tuple[str, OfType]:
        return name, form

    return undo


def _other_way(_planning: Planning, _document: Document, form: Allowed) -> tuple[str, Allowed]:
    return "allow-for-type", msgspec.structs.replace(form, allowed=1 - form.allowed)


KINDS: list[Kind[Any]] = [
    Kind(
        name=WRITING,
        label=_("Write a card type"),
        hint=_(
            "A new type is a draft until it is submitted and approved. A type in use gets a new version from a day on;"
            " a second person must agree to it."
        ),
        function="card-types",
        form=CardType,
        plan=_plan_writing,
        needs_checker=_is_beyond_draft,
    ),
    Kind(
        name="submit-card-type",
        label=_("Submit a card type"),
        hint=_("It waits for somebody else than its author to approve it."),
        function="card-types",
        form=OfType,
        plan=_plan_state(TypeState.SUBMITTED, TypeState.DRAFT),
    ),
    Kind(
        name="return-card-type",
        label=_("Send a card type back to its author"),
        hint=_("It is a draft again and can be changed."),
        function="card-types",
        form=OfType,
        plan=_plan_state(TypeState.DRAFT, TypeState.SUBMITTED),
    ),
    Kind(
        name="approve-card-type",
        label=_("Approve a card type"),
        hint=_("From now on cards of it can be made. Its author cannot approve it."),
        function="card-types",
        action=Action.APPROVE,
        form=OfType,
        plan=_plan_state(TypeState.APPROVED, TypeState.SUBMITTED),
    ),
    Kind(
        name="suspend-card-type",
        label=_("Suspend a card type"),
        hint=_("No new cards of it are made; those that there are go on working."),
        function="card-types",
        form=OfType,
        plan=_plan_state(TypeState.SUSPENDED, TypeState.APPROVED),
        undo=_back("resume-card-type"),
    ),
    Kind(
        name="resume-card-type",
        label=_("Resume a card type"),
        hint=_("Cards of it can be made again. A second person must agree."),
        function="card-types",
        form=OfType,
        plan=_plan_state(TypeState.APPROVED, TypeState.SUSPENDED),
        needs_checker=always,
        undo=_back("suspend-card-type"),
    ),
    Kind(
        name="retire-card-type",
        label=_("Retire a card type"),
        hint=_("For good, when no live card of it is left. A second person must agree."),
        function="card-types",
        form=OfType,
        plan=_plan_state(
            TypeState.RETIRED, TypeState.DRAFT, TypeState.SUBMITTED, TypeState.APPROVED, TypeState.SUSPENDED
        ),
        needs_checker=always,
    ),
    Kind(
        name="allow-for-type",
        label=_("Stores and operators of a card type"),
        hint=_("The lists count where the type says that only stores or operators of its list may."),
        function="card-types",
        form=Allowed,
        plan=_plan_allowed,
        undo=_other_way,
    ),
]
