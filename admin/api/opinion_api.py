"""Suggestions, complaints and enquiries, step by step until the customer was told."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, mask_phone, needs
from admin.care import opinions
from admin.care.opinion_files import Fault, import_opinions
from admin.database import to_ms
from admin.i18n import translate
from admin.members.seals import Vault
from admin.members.totals import business_date
from admin.models.care import Opinion
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, SmallNumber, Text, api_get, api_post, api_put, filled, page_of
from .member_api import today

TAG = "Suggestions and complaints"
ADDS, CHANGES = [needs("opinions", Action.ADD)], [needs("opinions", Action.CHANGE)]
FILE_BYTES_MAX = 4 << 20
"""Of a file that is sent as base64; larger ones go through the page."""
OpinionBody = body_of(opinions.OpinionForm, "NewOpinion")
OpinionChangeBody = body_of(
    opinions.OpinionForm, "OpinionChange", more=[("version", Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)])]
)
MoveBody = body_of(opinions.OpinionMove, "OpinionMove", more=[("act", Annotated[str, msgspec.Meta(max_length=20)])])


class OpinionItem(msgspec.Struct):
    """What a customer had to say."""

    id: int
    """Its number."""
    kind: str
    """suggestion, complaint or enquiry"""
    area: int
    """Code table `opinion`."""
    state: str
    """new, assigned, in-handling, handled, fed-back, closed"""
    occurred_ms: int
    member_id: int
    name: str
    content: str
    department_id: int
    handler_id: int
    deadline: int
    effect: str
    feedback: str
    task_id: int | None
    version: int


class OpinionStepItem(msgspec.Struct):
    """A step of handling."""

    time_ms: int
    user_id: int
    state: str
    text: str


class OpinionDetails(msgspec.Struct):
    """One opinion with its steps, and the acts that may follow."""

    opinion: OpinionItem
    phone: str
    """Masked."""
    steps: list[OpinionStepItem]
    possible: list[str]


class ReasonGiven(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    reason: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*$")]


class OpinionFile(msgspec.Struct, forbid_unknown_fields=True):
    """A spreadsheet: xlsx, xls, ods or CSV."""

    name: Annotated[str, msgspec.Meta(max_length=80, pattern=r"^[^\x00]*$")]
    content: Annotated[bytes, msgspec.Meta(max_length=FILE_BYTES_MAX)]
    """As base64."""


class FaultItem(msgspec.Struct):
    """What is wrong with a row; row 1 has the headings."""

    row: int
    column: str
    message: str


class OpinionsImported(msgspec.Struct):
    """How many were made; with faults none."""

    made_count: int
    faults: list[FaultItem]


def opinion_item(row: Opinion) -> OpinionItem:
    """An opinion of a list."""
    return filled(OpinionItem, row, occurred_ms=to_ms(row.occurred_at))


@api_get("/api/v1/opinions", guards=[needs("opinions")], tag=TAG)
def list_opinions(
    request: Request[Visitor, Any, Any],
    kind: Text = "",
    area: SmallNumber = None,
    stage: Text = "",
    handler: Number = None,
    member: Number = None,
    from_date: SmallNumber = None,
    until_date: SmallNumber = None,
    before: Number = None,
    limit: Limit = 50,
) -> Page[OpinionItem]:
    """Opinions, newest first; `stage` is one of their states, open or late."""
    wanted = opinions.Wanted(
        kind=kind,
        area=area or 0,
        state=stage,
        handler=handler or 0,
        member=member or 0,
        from_date=from_date or 0,
        until_date=until_date or 0,
        today=business_date(today(request)),
    )
    with request.app.state.service.database.read() as session:
        rows = opinions.opinions_page(session, request.user, wanted, before, limit)
        return page_of(rows, limit, lambda row: opinion_item(row[0]), lambda row: row[0].id)


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Write an opinion down; with a department it goes to its head."""
    form = checked(request, opinions.OpinionForm, data)
    return Done(str(opinions.add_opinion(request.app.state.service, request.user, form)))


make_opinion = takes(
    api_post("/api/v1/opinions", guards=ADDS, tag=TAG, pages=("POST /opinions/new",)), _make, OpinionBody
)
get_opinion_form = form_handler(
    "/api/v1/opinions/form", opinions.OpinionForm, guards=ADDS, tag=TAG, pages=("GET /opinions/new",)
)


@api_get("/api/v1/opinions/{opinion_id:int}", guards=[needs("opinions")], tag=TAG)
def get_opinion(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> OpinionDetails:
    """One opinion."""
    return _details(request, opinion_id)


@api_get("/api/v1/opinions/{opinion_id:int}/slip", guards=[needs("opinions", Action.PRINT)], tag=TAG)
def get_opinion_slip(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> OpinionDetails:
    """What the slip of an opinion says."""
    return _details(request, opinion_id)


def _details(request: Request[Visitor, Any, Any], opinion_id: int) -> OpinionDetails:
    service = request.app.state.service
    with service.database.read() as session:
        row = opinions.opinion_seen(session, request.user, opinion_id) if opinion_id < 2**63 else None
        if row is None:
            raise NotFoundException(detail="There is no such record.")
        steps = opinions.steps_of(session, opinion_id)
        return OpinionDetails(
            opinion_item(row),
            mask_phone(opinions.phone_of(Vault(service), row)),
            [filled(OpinionStepItem, step, time_ms=to_ms(step.time)) for step, _name in steps],
            opinions.acts_on(row),
        )


def _change(request: Request[Visitor, Any, Any], opinion_id: FromPath[int], data: Any) -> OpinionDetails:
    """Correct an opinion that is not closed; `version` is the one that was read."""
    _details(request, opinion_id)
    form = checked(request, opinions.OpinionForm, data)
    opinions.change_opinion(request.app.state.service, request.user, opinion_id, form, data.version)
    return _details(request, opinion_id)


change_opinion = takes(
    api_put(
        "/api/v1/opinions/{opinion_id:int}",
        guards=CHANGES,
        tag=TAG,
        pages=("GET /opinions/{opinion_id}/change", "POST /opinions/{opinion_id}/change"),
    ),
    _change,
    OpinionChangeBody,
)


def _step(request: Request[Visitor, Any, Any], opinion_id: FromPath[int], data: Any) -> OpinionDetails:
    """Go on: assign, handle, effect, feed-back, reopen or close, in their order."""
    _details(request, opinion_id)
    form = checked(request, opinions.OpinionMove, data)
    opinions.move_opinion(request.app.state.service, request.user, opinion_id, data.act, form)
    return _details(request, opinion_id)


step_opinion = takes(
    api_post("/api/v1/opinions/{opinion_id:int}/steps", guards=CHANGES, tag=TAG, status=200), _step, MoveBody
)


@api_post("/api/v1/opinions/{opinion_id:int}/delete", guards=[needs("opinions", Action.DELETE)], tag=TAG, status=200)
def delete_opinion(request: Request[Visitor, Any, Any], opinion_id: FromPath[int], data: JSONBody[ReasonGiven]) -> Done:
    """Remove an opinion; the reason stays in the audit log."""
    _details(request, opinion_id)
    opinions.delete_opinion(request.app.state.service, request.user, opinion_id, data.reason)
    return Done(str(opinion_id))


@api_post(
    "/api/v1/opinions/import",
    guards=ADDS,
    tag=TAG,
    status=200,
    pages=("GET /opinions/import", "GET /opinions/import/template"),
)
def import_file(request: Request[Visitor, Any, Any], data: JSONBody[OpinionFile]) -> OpinionsImported:
    """Take a file over: all its rows, or none and what is wrong. Its headings are the labels of the form's fields."""
    count, faults = import_opinions(request.app.state.service, request.user, data.content, data.name)
    return OpinionsImported(count, [_fault(one) for one in faults[:100]])


def _fault(fault: Fault) -> FaultItem:
    return FaultItem(fault.row, translate(fault.column), fault.message)


HANDLERS = [
    list_opinions,
    make_opinion,
    get_opinion_form,
    get_opinion,
    get_opinion_slip,
    change_opinion,
    step_opinion,
    delete_opinion,
    import_file,
]
