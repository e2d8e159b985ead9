"""Short messages: writing and looking at what would be sent, the outbox, one sending, one message."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.campaigns import campaign_seen
from admin.errors import RefusedError
from admin.forms import FormContext, bind, fields_of, texts_of
from admin.i18n import FIRST_DATE, translate
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.messaging import outbox, writing
from admin.messaging.connecting import gateway_of
from admin.messaging.hours import day_of
from admin.messaging.merging import FIELDS
from admin.messaging.templates import template_seen, templates_seen, words_of
from admin.messaging.text import PARTS_MAX, composed, faults_in, measured
from admin.messaging.writing import SendingForm
from admin.models.members import Member
from admin.models.messaging import MessageSending, MessageState, SendingStage, ShortMessage
from admin.rights import Action
from admin.service import Service

from .common import go, is_part_wanted, number_in, page, page_rows, refusal_text, with_query
from .handlers import get
from .member_common import first, sent_texts

_ = str
ALL_DAYS = "all"
WRITES = needs("messages", Action.ADD)
CHANGES = needs("messages", Action.CHANGE)
STAGES: dict[str, str] = {
    SendingStage.RUNNING: _("Its members are being gone through"),
    SendingStage.DONE: _("All its members were gone through"),
    SendingStage.CANCELLED: _("Cancelled"),
}
GREETING = "{姓名}，祝您生日快乐！"
"""What the page of birthdays begins a greeting with, where no template is chosen."""


def day_asked(service: Service, text: str) -> int | None:
    """Day of a filter; today without one, None for all days."""
    if text == ALL_DAYS:
        return None
    try:
        return (date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        return day_of(service.now(), service.zone.now())


# ------------------------------------------------------------------------- the outbox


@get("/messages", guards=[needs("messages")])
def list_messages(
    request: Request[Visitor, Any, Any],
    day: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    source: FromQuery[str] = "",
    member: FromQuery[str] = "",
    sending: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Messages of the outbox, newest first; of today unless another day or all is asked for."""
    service, limit = request.app.state.service, page_rows(request)
    with service.database.read() as session:
        asked = day_asked(service, day)
        rows = outbox.outbox_page(
            session,
            request.user,
            Vault(service),
            day=asked,
            state=stage if stage in outbox.STATES else "",
            source=source if source in outbox.SOURCES else "",
            member_id=number_in(member),
            sending_id=number_in(sending),
            before=number_in(before),
            limit=limit,
        )
        gateway = gateway_of(session)
        is_connected, problem = gateway.is_enabled, gateway.problem
    shown_day = ALL_DAYS if asked is None else (FIRST_DATE.fromordinal(FIRST_DATE.toordinal() + asked)).isoformat()
    filters = {"day": day, "stage": stage, "source": source, "member": member, "sending": sending}
    last = rows[limit - 1].id if len(rows) > limit else None
    return page(
        request,
        "_message_rows.html" if is_part_wanted(request) else "messages.html",
        rows=rows[:limit],
        filters=filters,
        day=shown_day,
        states=outbox.STATES,
        tones=outbox.TONES,
        sources=outbox.SOURCES,
        is_connected=is_connected,
        gateway_problem=problem,
        is_first=not before,
        next_address=with_query("/messages", {**filters, "before": last}) if last else None,
    )


@get("/messages/{message_id:int}", guards=[needs("messages")])
def show_message(request: Request[Visitor, Any, Any], message_id: FromPath[int]) -> Template:
    """One message: its text in parts, and what became of it."""
    service = request.app.state.service
    with service.database.read() as session:
        row = outbox.message_seen(session, request.user, message_id)
        if row is None:
            raise NotFoundException(detail="There is no such message.")
        member = session.get(Member, row.member_id)
        is_whole = outbox.may_see_whole(request.user)
        message = outbox.outbox_row(Vault(service), row, member.name if member else "", is_whole=is_whole)
        context: dict[str, Any] = {
            "message": message,
            "made_at": row.made_at,
            "next_at": row.next_at if row.state == MessageState.QUEUED and row.attempts else None,
            "gateway_id": row.gateway_id,
            "reference": row.reference,
            "measured": measured(row.text),
        }
    if is_whole:
        service.audit.looked(request.user, "messages", f"message {message_id}")
    return page(request, "message.html", states=outbox.STATES, tones=outbox.TONES, sources=outbox.SOURCES, **context)


@async_post("/messages/{message_id:int}/cancel", guards=[CHANGES], status_code=200)
async def do_cancel_message(request: Request[Visitor, Any, Any], message_id: FromPath[int]) -> Response[Any]:
    """Take back a message whose time has not come."""
    await to_thread.run_sync(outbox.cancel_message, request.app.state.service, request.user, message_id)
    return go(request, f"/messages/{message_id}")


# ------------------------------------------------------------------------- writing


@get("/messages/new", guards=[WRITES])
def new_message(
    request: Request[Visitor, Any, Any],
    member: FromQuery[str] = "",
    group: FromQuery[str] = "",
    birthdays: FromQuery[str] = "",
    campaign: FromQuery[str] = "",
    template: FromQuery[str] = "",
) -> Template:
    """The form, begun for a member, a group, birthdays or a campaign."""
    service, visitor = request.app.state.service, request.user
    values: dict[str, Any] = {"body": ""}
    with service.database.read() as session:
        if member:
            values |= {"audience": writing.MEMBERS, "members": member[:200]}
        elif number_in(group):
            values |= {"audience": writing.GROUP, "group": number_in(group)}
        elif number_in(birthdays):
            days = max(1, min(number_in(birthdays) or 1, writing.DAYS_AHEAD_MAX))
            values |= {"audience": writing.BIRTHDAYS, "days": days, "body": GREETING}
        elif (number := number_in(campaign)) and (found := campaign_seen(session, visitor, number)):
            is_list = found.audience == "list"
            values |= {"campaign": number, "body": found.message}
            values["audience"] = writing.CAMPAIGN if is_list else writing.GROUP
        if (number := number_in(template)) and (row := template_seen(session, visitor, number)):
            values["body"] = row.body
        context = FormContext(session, visitor, request.app.state.references)
        texts = texts_of(SendingForm(**values), context)
    return _write_page(request, texts, {}, "")


@async_post("/messages/new", guards=[WRITES], status_code=200)
async def do_new_message(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Show what would be sent, fill in a template, or send what was shown."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_written, request, texts)


@async_post("/messages/count", guards=[WRITES], status_code=200)
async def show_count(request: Request[Visitor, Any, Any]) -> Template:
    """How long a text is and what must not be in it; htmx asks while typing."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_count_page, request, first(texts, "body"))


def _count_page(request: Request[Visitor, Any, Any], body: str) -> Template:
    with request.app.state.service.database.read() as session:
        return page(request, "_message_count.html", **count_of(session, body))


def count_of(session: Session, body: str) -> dict[str, Any]:
    """Length and faults of a text as it stands; fields count as they are written."""
    text = composed(body)
    whole = writing.signed(gateway_of(session).signature, text)
    return {
        "measured": measured(whole),
        "faults": faults_in(text, words_of(session))[:20],
        "has_fields": "{" in text,
        "parts_max": PARTS_MAX,
    }


def _written(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    service, visitor = request.app.state.service, request.user
    what = first(texts, "what")
    with service.database.read() as session:
        context = FormContext(session, visitor, request.app.state.references)
        if what == "template":
            row = template_seen(session, visitor, number_in(first(texts, "template")) or 0)
            return _write_page(request, {**texts, "body": [row.body if row else first(texts, "body")]}, {}, "")
        bound = bind(SendingForm, texts, context)
        today = today_of(session, service)
        if bound.value is None:
            return _write_page(request, texts, bound.errors, "")
        try:
            shown_now = writing.preview(service, session, visitor, bound.value, today)
        except RefusedError as error:
            return _write_page(request, texts, {}, refusal_text(error))
        digest = _digest(bound.value, shown_now.ready_count)
        if what != "send" or first(texts, "digest") != digest:
            problem = _("Something has changed since: look again, and confirm.") if what == "send" else ""
            return _write_page(request, texts, {}, translate(problem), shown_now, digest)
    try:
        number = writing.send(service, visitor, bound.value, today, shown_now.ready_count)
    except RefusedError as error:
        return _write_page(request, texts, {}, refusal_text(error), shown_now, digest)
    return go(request, f"/message-sendings/{number}")


def _digest(form: SendingForm, ready_count: int) -> str:
    return hashlib.sha256(msgspec.json.encode([form, ready_count])).hexdigest()[:32]


def _write_page(
    request: Request[Visitor, Any, Any],
    texts: dict[str, list[str]],
    errors: dict[str, str],
    problem: str,
    shown_now: writing.Preview | None = None,
    digest: str = "",
) -> Template:
    service = request.app.state.service
    with service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        fields = {field.name: field for field in fields_of(SendingForm, context)}
        templates = [(row.id, row.name) for row in session.scalars(templates_seen(request.user, is_offered=True))]
        counted = count_of(session, first(texts, "body"))
        return page(
            request,
            "message_write.html",
            http_status=409 if problem and shown_now is None else 200,
            problem=problem,
            errors=errors,
            typed={name: first(texts, name) for name in fields},
            groups=[(value, label) for value, label, _is_chosen in fields["group"].choices if value != "0"],
            audiences=writing.AUDIENCES,
            days_max=writing.DAYS_AHEAD_MAX,
            templates=templates,
            merge_fields=[field for field in FIELDS.values() if not field.is_of_purchase],
            field_labels={key: field.label for key, field in FIELDS.items()},
            preview=shown_now,
            digest=digest,
            **counted,
        )


# ------------------------------------------------------------------------- sendings


@get("/message-sendings", guards=[needs("messages")])
def list_sendings(
    request: Request[Visitor, Any, Any], campaign: FromQuery[str] = "", before: FromQuery[str] = ""
) -> Template:
    """What was asked to be sent, newest first."""
    limit, start = page_rows(request), number_in(before)
    query = writing.sendings_seen(request.user, select(MessageSending)).order_by(MessageSending.id.desc())
    if start is not None:
        query = query.where(MessageSending.id < start)
    if (number := number_in(campaign)) is not None:
        query = query.where(MessageSending.campaign_id == number)
    with request.app.state.service.database.read() as session:
        rows = list(session.scalars(query.limit(limit + 1)))
        session.expunge_all()
    last = rows[limit - 1].id if len(rows) > limit else None
    return page(
        request,
        "_sending_rows.html" if is_part_wanted(request) else "message_sendings.html",
        rows=rows[:limit],
        audiences=writing.AUDIENCES,
        stages=STAGES,
        is_first=not before,
        next_address=with_query("/message-sendings", {"campaign": campaign, "before": last}) if last else None,
    )


@get("/message-sendings/{sending_id:int}", guards=[needs("messages")])
def show_sending(
    request: Request[Visitor, Any, Any], sending_id: FromPath[int], after: FromQuery[str] = ""
) -> Template:
    """One sending: how far it is, and whom it has passed over."""
    service, limit = request.app.state.service, page_rows(request)
    with service.database.read() as session:
        row = outbox.sending_seen(session, request.user, sending_id)
        if row is None:
            raise NotFoundException(detail="There is no such sending.")
        skips = outbox.skips_page(session, sending_id, number_in(after), limit)
        waiting = select(ShortMessage.id).where(
            ShortMessage.sending_id == sending_id, ShortMessage.state == MessageState.SCHEDULED
        )
        is_waiting = session.scalar(waiting.limit(1)) is not None
        session.expunge_all()
    last = skips[limit - 1][0].member_id if len(skips) > limit else None
    return page(
        request,
        "message_sending.html",
        row=row,
        skips=skips[:limit],
        reasons=outbox.REASONS,
        audiences=writing.AUDIENCES,
        stages=STAGES,
        field_labels={key: field.label for key, field in FIELDS.items()},
        may_cancel=request.user.may("messages", Action.CHANGE) and (row.stage == SendingStage.RUNNING or is_waiting),
        is_first=not after,
        next_address=with_query(f"/message-sendings/{sending_id}", {"after": last}) if last else None,
    )


@async_post("/message-sendings/{sending_id:int}/cancel", guards=[CHANGES], status_code=200)
async def do_cancel_sending(request: Request[Visitor, Any, Any], sending_id: FromPath[int]) -> Response[Any]:
    """Take back what waits of a sending."""
    await to_thread.run_sync(outbox.cancel_sending, request.app.state.service, request.user, sending_id)
    return go(request, f"/message-sendings/{sending_id}")


HANDLERS: list[Any] = [
    list_messages,
    new_message,
    do_new_message,
    show_count,
    show_message,
    do_cancel_message,
    list_sendings,
    show_sending,
    do_cancel_sending,
]
