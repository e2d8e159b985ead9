"""Short messages: templates, words that must not be sent, the gateway; the inbox, and what the gateway tells."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotAuthorizedException, NotFoundException, ValidationException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.care.contacts import CONTACT_KINDS
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.members.seals import Vault
from admin.messaging import callbacks
from admin.messaging.connecting import GatewayForm, form_of, gateway_of, new_secret, save_gateway
from admin.messaging.inbox import close_incoming, inbox_page
from admin.messaging.merging import FIELDS
from admin.messaging.templates import (
    TemplateForm,
    delete_template,
    put_words,
    save_template,
    template_seen,
    templates_seen,
    words_of,
)
from admin.messaging.wishes import put_wish
from admin.rights import Action

from .common import go, is_part_wanted, number_in, page, page_rows, refusal_text, with_query
from .handlers import get
from .member_common import acted, first, sent_texts
from .member_common import number_in as number_of
from .message_pages import count_of

_ = str
WRITES = needs("messages", Action.ADD)
CHANGES = needs("messages", Action.CHANGE)
SETTLES = needs("message-settings", Action.CHANGE)
MINUTES_PER_HOUR = 60


# ------------------------------------------------------------------------- templates


@get("/message-templates", guards=[needs("messages")])
def list_templates(request: Request[Visitor, Any, Any]) -> Template:
    """Templates that the visitor may use."""
    with request.app.state.service.database.read() as session:
        rows = list(session.scalars(templates_seen(request.user)))
        session.expunge_all()
    return page(request, "message_templates.html", rows=rows)


@get("/message-templates/new", guards=[CHANGES])
def new_template(request: Request[Visitor, Any, Any]) -> Template:
    """The form of a template."""
    return _template_page(request, 0, None, "")


@async_post("/message-templates/new", guards=[CHANGES], status_code=200)
async def do_new_template(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Make a template."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save_template, request, 0, texts)


@get("/message-templates/{template_id:int}", guards=[needs("messages")])
def show_template(request: Request[Visitor, Any, Any], template_id: FromPath[int]) -> Template:
    """A template."""
    return _template_page(request, template_id, None, "")


@async_post("/message-templates/{template_id:int}", guards=[CHANGES], status_code=200)
async def do_change_template(request: Request[Visitor, Any, Any], template_id: FromPath[int]) -> Response[Any]:
    """Change a template."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save_template, request, template_id, texts)


@async_post("/message-templates/{template_id:int}/delete", guards=[CHANGES], status_code=200)
async def do_delete_template(request: Request[Visitor, Any, Any], template_id: FromPath[int]) -> Response[Any]:
    """Remove a template."""
    return await acted(
        request,
        lambda: delete_template(request.app.state.service, request.user, template_id),
        "/message-templates",
    )


def _save_template(request: Request[Visitor, Any, Any], number: int, texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        bound = bind(TemplateForm, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        return _template_page(request, number, bound, "")
    try:
        save_template(service, request.user, bound.value, number)
    except RefusedError as error:
        return _template_page(request, number, bound, refusal_text(error))
    return go(request, "/message-templates")


def _template_page(
    request: Request[Visitor, Any, Any], number: int, bound: Bound[Any] | None, problem: str
) -> Template:
    with request.app.state.service.database.read() as session:
        row = template_seen(session, request.user, number) if number else None
        if number and row is None:
            raise NotFoundException(detail="There is no such template.")
        filled = TemplateForm(name=row.name, body=row.body, is_offered=row.is_offered) if row else None
        body = first(bound.typed, "body") if bound else row.body if row else ""
        context = FormContext(session, request.user, request.app.state.references)
        may_place = row is None or request.user.may_place_in(row.organisation_id)
        return page(
            request,
            "message_template.html",
            http_status=409 if problem else 200,
            problem=problem,
            number=number,
            fields=fields_of(TemplateForm, context, bound, filled),
            merge_fields=FIELDS.values(),
            may_change=request.user.may("messages", Action.CHANGE) and may_place,
            **count_of(session, body),
        )


# ------------------------------------------------------------------------- the gateway and words


@get("/message-gateway", guards=[needs("message-settings")])
def show_gateway(request: Request[Visitor, Any, Any]) -> Template:
    """The gateway, and the words that must not be sent."""
    return _gateway_page(request, None, "")


@async_post("/message-gateway", guards=[SETTLES], status_code=200)
async def do_gateway(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Change the gateway."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save_gateway, request, texts)


@async_post("/message-gateway/secret", guards=[SETTLES], status_code=200)
async def do_secret(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Make a new secret of callbacks, and show it for the only time."""
    secret = await to_thread.run_sync(new_secret, request.app.state.service, request.user)
    return await to_thread.run_sync(_gateway_page, request, None, "", secret)


@async_post("/message-words", guards=[SETTLES], status_code=200)
async def do_words(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Change the words that must not be sent."""
    texts = await sent_texts(request)
    service = request.app.state.service
    return await acted(request, lambda: put_words(service, request.user, first(texts, "words")), "/message-gateway")


def _save_gateway(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        bound = bind(GatewayForm, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        return _gateway_page(request, bound, "")
    try:
        save_gateway(service, request.user, bound.value)
    except RefusedError as error:
        return _gateway_page(request, bound, refusal_text(error))
    return go(request, "/message-gateway")


def _gateway_page(
    request: Request[Visitor, Any, Any], bound: Bound[Any] | None, problem: str, secret: str = ""
) -> Template:
    service = request.app.state.service
    with service.database.read() as session:
        row = gateway_of(session)
        context = FormContext(session, request.user, request.app.state.references)
        return page(
            request,
            "message_gateway.html",
            http_status=409 if problem else 200,
            problem=problem,
            secret=secret,
            fields=fields_of(GatewayForm, context, bound, form_of(row)),
            has_token=row.token_sealed is not None,
            has_secret=row.secret_sealed is not None,
            gateway_problem=row.problem,
            heard_at=row.heard_at,
            is_enabled=row.is_enabled,
            callback=f"{service.settings.public_address or 'http://localhost:' + str(service.settings.listen_port)}"
            "/api/gateway/callback",
            words="\n".join(words_of(session)),
            may_change=request.user.may("message-settings", Action.CHANGE),
        )


# ------------------------------------------------------------------------- the inbox


@get("/message-inbox", guards=[needs("messages")])
def list_inbox(
    request: Request[Visitor, Any, Any],
    stage: FromQuery[str] = "",
    member: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Messages that members have sent, newest first."""
    service, limit = request.app.state.service, page_rows(request)
    with service.database.read() as session:
        rows = inbox_page(
            session,
            request.user,
            Vault(service),
            stage=stage,
            member_id=number_in(member),
            before=number_in(before),
            limit=limit,
        )
    filters = {"stage": stage, "member": member}
    last = rows[limit - 1].id if len(rows) > limit else None
    return page(
        request,
        "_inbox_rows.html" if is_part_wanted(request) else "message_inbox.html",
        rows=rows[:limit],
        filters=filters,
        kinds=CONTACT_KINDS,
        is_first=not before,
        next_address=with_query("/message-inbox", {**filters, "before": last}) if last else None,
    )


@async_post("/message-inbox/{incoming_id:int}/close", guards=[CHANGES], status_code=200)
async def do_close_incoming(request: Request[Visitor, Any, Any], incoming_id: FromPath[int]) -> Response[Any]:
    """Note that a message was dealt with; with a kind it becomes a talk of the contact log."""
    texts = await sent_texts(request)
    service = request.app.state.service
    return await acted(
        request,
        lambda: close_incoming(service, request.user, incoming_id, kind=first(texts, "kind")),
        "/message-inbox",
    )


# ------------------------------------------------------------------------- what a member wants


@async_post("/members/{member_id:int}/wish", guards=[needs("members", Action.CHANGE)], status_code=200)
async def do_wish(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Note whether, how and when a member wants to be reached."""
    texts = await sent_texts(request)
    service = request.app.state.service

    def act() -> None:
        put_wish(
            service,
            request.user,
            member_id,
            willing=number_of(texts, "willing"),
            wants_purchases=bool(first(texts, "wants_purchases")),
            channel=first(texts, "channel"),
            from_minute=_minute(first(texts, "from"), 0),
            until_minute=_minute(first(texts, "until"), 24 * MINUTES_PER_HOUR),
        )

    return await acted(request, act, f"/members/{member_id}")


def _minute(text: str, usual: int) -> int:
    hours, _colon, minutes = text.partition(":")
    is_time = hours.isdecimal() and minutes.isdecimal() and len(text) <= 5
    return int(hours) * MINUTES_PER_HOUR + int(minutes) if is_time else usual


# ------------------------------------------------------------------------- what the gateway tells


@async_post("/api/gateway/callback", opt={"public": True}, status_code=200)
async def take_callback(request: Request[Any, Any, Any]) -> callbacks.Taken:
    """Reports and incoming messages of the gateway, signed by it."""
    if int(request.headers.get("content-length") or 0) > callbacks.BODY_BYTES_MAX:
        raise ValidationException(detail=f"Expected at most {callbacks.BODY_BYTES_MAX} bytes.")
    body = await request.body()
    header = request.headers.get("x-cardswitch-signature", "")
    address = request.client.host if request.client else ""
    return await to_thread.run_sync(_taken, request.app.state.service, header, body, address)


def _taken(service: Any, header: str, body: bytes, address: str) -> callbacks.Taken:
    if not callbacks.is_genuine(service, header, body):
        raise NotAuthorizedException(detail="Expected a fresh signature by the secret of the gateway.")
    return callbacks.take(service, callbacks.read_callback(body), address)


HANDLERS: list[Any] = [
    list_templates,
    new_template,
    do_new_template,
    show_template,
    do_change_template,
    do_delete_template,
    show_gateway,
    do_gateway,
    do_secret,
    do_words,
    list_inbox,
    do_close_incoming,
    do_wish,
    take_callback,
]
