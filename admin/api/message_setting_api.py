"""Short messages: templates, the gateway, words that must not be sent; the inbox; what a member wants."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.members.records import member_seen
from admin.members.seals import Vault
from admin.messaging.connecting import GatewayForm, gateway_of, new_secret, save_gateway
from admin.messaging.hours import MINUTES_PER_DAY
from admin.messaging.inbox import close_incoming, inbox_page
from admin.messaging.templates import (
    WORDS_MAX,
    TemplateForm,
    delete_template,
    put_words,
    save_template,
    template_seen,
    templates_seen,
    words_of,
)
from admin.messaging.text import WORD_LENGTH_MAX
from admin.messaging.wishes import put_wish, wishes_of
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, Text, api_delete, api_get, api_post, api_put, filled, page_of

TAG = "Short messages"
CHANGES = [needs("messages", Action.CHANGE)]
SETTLES = [needs("message-settings", Action.CHANGE)]
NO_ZERO = r"^[^\x00]*$"
Word = Annotated[str, msgspec.Meta(max_length=20, pattern=NO_ZERO)]
Minute = Annotated[int, msgspec.Meta(ge=0, le=MINUTES_PER_DAY)]
TemplateBody = body_of(TemplateForm, "TemplateChange")
GatewayBody = body_of(GatewayForm, "GatewayChange")


class TemplateItem(msgspec.Struct):
    """A template."""

    id: int
    organisation_id: int
    name: str
    body: str
    is_offered: bool


class GatewayRecord(msgspec.Struct):
    """The gateway; its token and its secret are told by nobody."""

    address: str
    is_enabled: bool
    signature: str
    per_second: int
    purchase_template_id: int | None
    problem: str
    heard_ms: int | None
    has_token: bool
    has_secret: bool
    words: list[str]


class SecretMade(msgspec.Struct):
    """The secret that callbacks are signed with, told this once."""

    secret: str


class WordsChange(msgspec.Struct, forbid_unknown_fields=True):
    """The words that must not be sent from now on, all of them."""

    words: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=WORD_LENGTH_MAX, pattern=r"^[^\x00-\x1f]*$")]],
        msgspec.Meta(max_length=WORDS_MAX),
    ]


class IncomingItem(msgspec.Struct):
    """A message of the inbox."""

    id: int
    member_id: int | None
    member: str
    phone: str
    """Masked."""
    text: str
    came_ms: int
    is_stop: bool
    is_open: bool
    contact_id: int | None
    opinion_id: int | None


class IncomingEnd(msgspec.Struct, forbid_unknown_fields=True):
    """How a message was dealt with."""

    kind: Word = ""
    """talk, visit, need, survey: it becomes an open talk; complaint, suggestion: an opinion, for who may write those
    down, else a talk; empty: neither."""


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """Whether, how and when a member wants to be reached."""

    willing: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    """0 not asked, 1 wants messages, 2 wants none."""
    wants_purchases: bool = False
    channel: Word = "message"
    """message, telephone or email."""
    from_minute: Minute = 0
    """Minutes since midnight at the stores."""
    until_minute: Minute = MINUTES_PER_DAY


@api_get("/api/v1/message-templates", guards=[needs("messages")], tag=TAG)
def list_templates(request: Request[Visitor, Any, Any]) -> list[TemplateItem]:
    """Templates that may be used."""
    with request.app.state.service.database.read() as session:
        return [filled(TemplateItem, row) for row in session.scalars(templates_seen(request.user))]


@api_get("/api/v1/message-templates/{template_id:int}", guards=[needs("messages")], tag=TAG)
def get_template(request: Request[Visitor, Any, Any], template_id: FromPath[int]) -> TemplateItem:
    """A template."""
    with request.app.state.service.database.read() as session:
        row = template_seen(session, request.user, template_id)
        if row is None:
            raise NotFoundException(detail="There is no such template.")
        return filled(TemplateItem, row)


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Make a template."""
    return Done(str(save_template(request.app.state.service, request.user, checked(request, TemplateForm, data))))


def _change(request: Request[Visitor, Any, Any], template_id: FromPath[int], data: Any) -> Done:
    """Change a template."""
    form = checked(request, TemplateForm, data)
    return Done(str(save_template(request.app.state.service, request.user, form, template_id)))


make_template = takes(
    api_post("/api/v1/message-templates", guards=CHANGES, tag=TAG, pages=("POST /message-templates/new",)),
    _make,
    TemplateBody,
)
put_template = takes(
    api_put(
        "/api/v1/message-templates/{template_id:int}",
        guards=CHANGES,
        tag=TAG,
        pages=("POST /message-templates/{template_id}",),
    ),
    _change,
    TemplateBody,
)
get_template_form = form_handler(
    "/api/v1/message-templates/form", TemplateForm, guards=CHANGES, tag=TAG, pages=("GET /message-templates/new",)
)


@api_delete(
    "/api/v1/message-templates/{template_id:int}",
    guards=CHANGES,
    tag=TAG,
    pages=("POST /message-templates/{template_id}/delete",),
)
def end_template(request: Request[Visitor, Any, Any], template_id: FromPath[int]) -> None:
    """Remove a template."""
    delete_template(request.app.state.service, request.user, template_id)


@api_get("/api/v1/message-gateway", guards=[needs("message-settings")], tag=TAG)
def get_gateway(request: Request[Visitor, Any, Any]) -> GatewayRecord:
    """The gateway, and the words that must not be sent."""
    with request.app.state.service.database.read() as session:
        row = gateway_of(session)
        return filled(
            GatewayRecord,
            row,
            has_token=row.token_sealed is not None,
            has_secret=row.secret_sealed is not None,
            words=list(words_of(session)),
        )


def _put_gateway(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Change the gateway."""
    save_gateway(request.app.state.service, request.user, checked(request, GatewayForm, data))
    return Done("1")


put_gateway = takes(
    api_put("/api/v1/message-gateway", guards=SETTLES, tag=TAG, pages=("POST /message-gateway",)),
    _put_gateway,
    GatewayBody,
)


@api_post("/api/v1/message-gateway/secret", guards=SETTLES, tag=TAG)
def make_secret(request: Request[Visitor, Any, Any]) -> SecretMade:
    """A new secret of callbacks; the one before holds no more."""
    return SecretMade(new_secret(request.app.state.service, request.user))


@api_put("/api/v1/message-words", guards=SETTLES, tag=TAG, pages=("POST /message-words",))
def put_all_words(request: Request[Visitor, Any, Any], data: JSONBody[WordsChange]) -> Done:
    """Change the words that must not be sent."""
    return Done(str(put_words(request.app.state.service, request.user, "\n".join(data.words))))


@api_get("/api/v1/message-inbox", guards=[needs("messages")], tag=TAG)
def list_inbox(
    request: Request[Visitor, Any, Any],
    stage: Text = "",
    member: Number = None,
    before: Number = None,
    limit: Limit = 50,
) -> Page[IncomingItem]:
    """Messages that members have sent, newest first; `stage` is open or closed."""
    service = request.app.state.service
    with service.database.read() as session:
        rows = inbox_page(
            session, request.user, Vault(service), stage=stage, member_id=member, before=before, limit=limit
        )
        return page_of(
            rows, limit, lambda row: filled(IncomingItem, row, came_ms=to_ms(row.came_at)), lambda row: row.id
        )


@api_post("/api/v1/message-inbox/{incoming_id:int}/close", guards=CHANGES, tag=TAG, status=200)
def close_message(request: Request[Visitor, Any, Any], incoming_id: FromPath[int], data: JSONBody[IncomingEnd]) -> Done:
    """Note that a message was dealt with; the answer is the number of its talk or opinion, or 0."""
    found = close_incoming(request.app.state.service, request.user, incoming_id, kind=data.kind)
    return Done(str(found or 0))


@api_get("/api/v1/members/{member_id:int}/wish", guards=[needs("members")], tag=TAG)
def get_wish(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Wish:
    """Whether, how and when a member wants to be reached."""
    with request.app.state.service.database.read() as session:
        if member_seen(session, request.user, member_id) is None:
            raise NotFoundException(detail="There is no such member.")
        row = wishes_of(session, [member_id]).get(member_id)
        return filled(Wish, row) if row else Wish()


@api_put(
    "/api/v1/members/{member_id:int}/wish",
    guards=[needs("members", Action.CHANGE)],
    tag=TAG,
    pages=("POST /members/{member_id}/wish",),
)
def put_member_wish(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[Wish]) -> Done:
    """Note what a member wants."""
    values = {name: getattr(data, name) for name in Wish.__struct_fields__}
    put_wish(request.app.state.service, request.user, member_id, **values, source="interface")
    return Done(str(member_id))


HANDLERS: list[Any] = [
    list_templates,
    get_template_form,
    get_template,
    make_template,
    put_template,
    end_template,
    get_gateway,
    put_gateway,
    make_secret,
    put_all_words,
    list_inbox,
    close_message,
    get_wish,
    put_member_wish,
]
