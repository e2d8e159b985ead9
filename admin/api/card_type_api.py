"""Card types with their versions, and who may make and issue cards of which type, when, and how many."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from admin.access import Visitor, needs
from admin.cards.authorisation_form import Authorisation, authorise
from admin.cards.authorisations import grants_page, revoke
from admin.cards.terms import is_in_use, versions_of
from admin.cards.type_form import form_of
from admin.cards.types import allowed_of, differences, documents_about, type_rows, version_in_force
from admin.documents.card_type_kinds import LISTS
from admin.figures import newest_date
from admin.forms import FormContext
from admin.i18n import translate
from admin.models.authorisations import Task
from admin.rights import Action
from switch.protocol.card_terms import TypeState

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, SmallNumber, Text, api_get, api_post, filled, page_of
from .records import CardTypeTerms
from .words import number_of, words_of

TAG = "Card types"
TYPE_STATE_WORDS = words_of(TypeState)
CODE_MAX = 2**32 - 1
AuthorisationBody = body_of(Authorisation, "NewAuthorisation")


class CardTypeItem(msgspec.Struct):
    """A card type as the list shows it."""

    code: int
    name: str
    state: str
    """draft, submitted, approved, suspended or retired."""
    from_date: int
    """Of the version in force, or of the first one to come."""
    card_count: int
    version_count: int


class TermDifference(msgspec.Struct):
    """A term that differs between two versions, in words."""

    term: str
    before: str
    after: str


class AllowedNumbers(msgspec.Struct):
    """A list of a type: stores, outlets or operators that may take its cards."""

    name: str
    numbers: list[int]


class TypeDocument(msgspec.Struct):
    """A document about a type."""

    id: int
    kind: str
    state: str
    maker_id: int
    made_ms: int


class CardTypeDetails(msgspec.Struct):
    """One card type with all its versions, newest first."""

    code: int
    state: str
    is_in_use: bool
    """Whether there are cards of it: some terms are frozen then."""
    in_force: CardTypeTerms
    """Terms of today, or of the first version to come, as the document kind write-card-type takes them."""
    versions: list[CardTypeTerms]
    differences: list[TermDifference]
    """Between the two versions that `old` and `new` name by their first day; without them the newest two."""
    allowed: list[AllowedNumbers]
    documents: list[TypeDocument]


class AuthorisationItem(msgspec.Struct):
    """Who may make or issue cards of a type."""

    id: int
    card_type: int
    user_id: int
    user: str
    tasks: list[str]
    """make, issue"""
    from_ms: int
    until_ms: int
    cards_max: int | None
    """null: any number."""
    used: int
    state: str
    """scheduled, open, closed or revoked."""
    remark: str
    granted_by: int
    granted_ms: int


@api_get("/api/v1/card-types", guards=[needs("card-types")], tag=TAG)
def list_types(request: Request[Visitor, Any, Any], stage: Text = "") -> list[CardTypeItem]:
    """All card types; `stage` is a state."""
    wanted = number_of(TYPE_STATE_WORDS, stage, "stage")
    with request.app.state.service.database.read() as session:
        rows = type_rows(session, newest_date(session), wanted)
    return [
        filled(CardTypeItem, row, **_named(row.version), state=TYPE_STATE_WORDS.get(row.state, str(row.state)))
        for row in rows
    ]


@api_get("/api/v1/card-types/{code:int}", guards=[needs("card-types")], tag=TAG)
def get_type(
    request: Request[Visitor, Any, Any], code: FromPath[int], old: SmallNumber = None, new: SmallNumber = None
) -> CardTypeDetails:
    """One card type: the version in force, all versions, what differs between two of them."""
    visitor, state = request.user, request.app.state
    with state.service.database.read() as session:
        versions = versions_of(session, code) if code <= CODE_MAX else []
        if not versions:
            raise NotFoundException(detail="There is no such card type.")
        context = FormContext(session, visitor, state.references)
        by_date = {version.from_date: version for version in versions}
        newer = by_date.get(new, versions[0])
        older = by_date.get(old, versions[1] if len(versions) > 1 else newer)
        changes = differences(older, newer, context) if older is not newer else []
        row = next(row for row in type_rows(session, newest_date(session)) if row.version.code == code)
        return CardTypeDetails(
            code=code,
            state=TYPE_STATE_WORDS.get(row.state, str(row.state)),
            is_in_use=is_in_use(session, code),
            in_force=_terms(version_in_force(versions, newest_date(session)) or versions[-1]),
            versions=[_terms(version) for version in versions],
            differences=[TermDifference(translate(term), before, after) for term, before, after in changes],
            allowed=[
                AllowedNumbers(translate(LISTS.get(number, str(number))), numbers)
                for number, numbers in allowed_of(session, code).items()
            ],
            documents=[filled(TypeDocument, one) for one in documents_about(session, visitor, code)],
        )


@api_get("/api/v1/authorisations", guards=[needs("card-types")], tag=TAG)
def list_authorisations(
    request: Request[Visitor, Any, Any], type: SmallNumber = None, before: Number = None, limit: Limit = 50
) -> Page[AuthorisationItem]:
    """Authorisations of the visitor's people, newest first; `type` is a card type."""
    service = request.app.state.service
    with service.database.read() as session:
        found = grants_page(session, request.user, service.now(), card_type=type, before=before, limit=limit)

        def item(one: Any) -> AuthorisationItem:
            tasks = [str(task.name).lower() for task in Task if task & one.row.tasks]
            return filled(
                AuthorisationItem, one.row, user=one.user_name, tasks=tasks, used=one.used, state=one.state.value
            )

        return page_of(found, limit, item, lambda one: one.row.id)


def _authorise(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Let somebody else make or issue cards of a type."""
    return Done(str(authorise(request.app.state.service, request.user, checked(request, Authorisation, data))))


make_authorisation = takes(
    api_post(
        "/api/v1/authorisations",
        guards=[needs("card-types", Action.APPROVE)],
        tag=TAG,
        pages=("POST /authorisations/new",),
    ),
    _authorise,
    AuthorisationBody,
)
get_authorisation_form = form_handler(
    "/api/v1/authorisations/form",
    Authorisation,
    guards=[needs("card-types", Action.APPROVE)],
    tag=TAG,
    pages=("GET /authorisations/new",),
)


@api_post(
    "/api/v1/authorisations/{authorisation_id:int}/revoke",
    guards=[needs("card-types", Action.APPROVE)],
    tag=TAG,
    status=200,
)
def revoke_authorisation(request: Request[Visitor, Any, Any], authorisation_id: FromPath[int]) -> Done:
    """End an authorisation at once; what waits under it cannot be approved any more."""
    revoke(request.app.state.service, request.user, authorisation_id)
    return Done(str(authorisation_id))


def _terms(version: Any) -> CardTypeTerms:
    return filled(CardTypeTerms, form_of(version))


def _named(version: Any) -> dict[str, Any]:
    return {"code": version.code, "name": version.name, "from_date": version.from_date}


HANDLERS = [
    list_types,
    get_type,
    list_authorisations,
    make_authorisation,
    get_authorisation_form,
    revoke_authorisation,
]
