"""Short messages: looking at what would be sent, sending, the outbox; sendings and whom they have passed over."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.messaging import outbox, writing
from admin.messaging.text import TEXT_LENGTH_MAX, measured
from admin.messaging.writing import SendingForm
from admin.models.members import Member
from admin.models.messaging import MessageSending
from admin.pages.message_pages import count_of, day_asked
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, Text, api_get, api_post, filled, page_of

TAG = "Short messages"
WRITES = [needs("messages", Action.ADD)]
CHANGES = [needs("messages", Action.CHANGE)]
NO_ZERO = r"^[^\x00]*$"
Day = Annotated[
    str,
    QueryParameter(
        max_length=10, pattern=NO_ZERO, description="Such as 2026-01-31; empty: today at the stores; all: all days."
    ),
]


class MessageItem(msgspec.Struct):
    """A message of the outbox."""

    id: int
    member_id: int
    member: str
    phone: str
    """Masked."""
    text: str
    part_count: int
    state: str
    """scheduled, queued, sent, delivered, failed or cancelled."""
    source: str
    """sending, purchase or journey."""
    send_ms: int
    sent_ms: int | None
    ended_ms: int | None
    attempts: int
    problem: str
    sending_id: int | None


class MessageDetails(msgspec.Struct):
    """One message, with its number whole for those who may see it; the look is noted."""

    item: MessageItem
    reference: str
    """What the gateway knows it by."""
    gateway_id: str
    alphabet: str
    parts: list[str]


class TextToCount(msgspec.Struct, forbid_unknown_fields=True):
    """A text as it stands."""

    body: Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX * 2, pattern=NO_ZERO)]


class TextFault(msgspec.Struct):
    """Something that must not be sent."""

    kind: str
    """character or word."""
    text: str
    place: int


class TextCount(msgspec.Struct):
    """How a text is sent."""

    alphabet: str
    units: int
    parts: list[str]
    left_units: int
    faults: list[TextFault]


class ExampleItem(msgspec.Struct):
    """What one member would get."""

    member_id: int
    member: str
    text: str
    part_count: int
    missing: list[str]
    """Merge fields that the member has nothing for."""


class SendingPreview(msgspec.Struct):
    """What a sending would do now."""

    member_count: int
    unwilling_count: int
    without_number_count: int
    elsewhere_count: int
    ready_count: int
    examples: list[ExampleItem]


class SendingItem(msgspec.Struct):
    """What was asked to be sent."""

    id: int
    organisation_id: int
    maker_id: int
    made_ms: int
    body: str
    audience: str
    send_ms: int
    stage: str
    message_count: int
    skipped_count: int
    problem: str
    campaign_id: int | None


class SkipItem(msgspec.Struct):
    """A member that a sending has passed over."""

    member_id: int
    member: str
    reason: str
    """no-number, unwilling, missing, too-long, telephone or email."""
    detail: str


class SendingDetails(msgspec.Struct):
    """A sending, and some of those whom it has passed over; `next` goes on behind them as `after`."""

    item: SendingItem
    skips: list[SkipItem]
    next: int | None


class CancelledCount(msgspec.Struct):
    """How many messages were taken back."""

    messages: int


NewSending = body_of(
    SendingForm,
    "NewSending",
    more=[("expected_count", Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None, None)],
    description="A text and whom it goes to; expected_count: refuse when it would go to another number of members.",
)


@api_get("/api/v1/messages", guards=[needs("messages")], tag=TAG)
def list_messages(
    request: Request[Visitor, Any, Any],
    day: Day = "",
    stage: Text = "",
    source: Text = "",
    member: Number = None,
    sending: Number = None,
    before: Number = None,
    limit: Limit = 50,
) -> Page[MessageItem]:
    """Messages of the outbox, newest first; of today, of another day or of all days; `stage` is a state."""
    service = request.app.state.service
    with service.database.read() as session:
        rows = outbox.outbox_page(
            session,
            request.user,
            Vault(service),
            day=day_asked(service, day),
            state=stage,
            source=source,
            member_id=member,
            sending_id=sending,
            before=before,
            limit=limit,
        )
        return page_of(rows, limit, _item, lambda row: row.id)


@api_get("/api/v1/messages/{message_id:int}", guards=[needs("messages")], tag=TAG)
def get_message(request: Request[Visitor, Any, Any], message_id: FromPath[int]) -> MessageDetails:
    """One message."""
    service = request.app.state.service
    with service.database.read() as session:
        row = outbox.message_seen(session, request.user, message_id)
        if row is None:
            raise NotFoundException(detail="There is no such message.")
        member = session.get(Member, row.member_id)
        is_whole = outbox.may_see_whole(request.user)
        shown = outbox.outbox_row(Vault(service), row, member.name if member else "", is_whole=is_whole)
        length = measured(row.text)
        answer = MessageDetails(_item(shown), row.reference, row.gateway_id, length.alphabet, list(length.parts))
    if is_whole:
        service.audit.looked(request.user, "messages", f"message {message_id}")
    return answer


@api_post("/api/v1/messages/{message_id:int}/cancel", guards=CHANGES, tag=TAG, status=200)
def cancel_message(request: Request[Visitor, Any, Any], message_id: FromPath[int]) -> Done:
    """Take back a message whose time has not come."""
    outbox.cancel_message(request.app.state.service, request.user, message_id)
    return Done(str(message_id))


@api_post("/api/v1/messages/count", guards=WRITES, tag=TAG, status=200)
def count_text(request: Request[Visitor, Any, Any], data: JSONBody[TextToCount]) -> TextCount:
    """How long a text is, how it is parted, and what must not be in it; merge fields count as they are written."""
    with request.app.state.service.database.read() as session:
        found = count_of(session, data.body)
    length = found["measured"]
    faults = [TextFault(fault.kind, fault.shown, fault.place) for fault in found["faults"]]
    return TextCount(length.alphabet, length.units, list(length.parts), length.left_units, faults)


def _preview(request: Request[Visitor, Any, Any], data: Any) -> SendingPreview:
    """What sending a text would do now."""
    service = request.app.state.service
    form = checked(request, SendingForm, data)
    with service.database.read() as session:
        shown = writing.preview(service, session, request.user, form, today_of(session, service))
        examples = [
            ExampleItem(
                one.member.id,
                one.member.name,
                one.merged.text,
                len(one.measured.parts),
                list(one.merged.missing),
            )
            for one in shown.examples
        ]
    return filled(SendingPreview, shown, examples=examples)


def _send(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Ask for a text to be sent."""
    service = request.app.state.service
    form = checked(request, SendingForm, data)
    with service.database.read() as session:
        today = today_of(session, service)
    return Done(str(writing.send(service, request.user, form, today, data.expected_count)))


preview_sending = takes(api_post("/api/v1/messages/preview", guards=WRITES, tag=TAG, status=200), _preview, NewSending)
make_sending = takes(
    api_post("/api/v1/messages", guards=WRITES, tag=TAG, pages=("POST /messages/new",)), _send, NewSending
)
get_sending_form = form_handler(
    "/api/v1/messages/form", SendingForm, guards=WRITES, tag=TAG, pages=("GET /messages/new",)
)


@api_get("/api/v1/message-sendings", guards=[needs("messages")], tag=TAG)
def list_sendings(
    request: Request[Visitor, Any, Any], campaign: Number = None, before: Number = None, limit: Limit = 50
) -> Page[SendingItem]:
    """What was asked to be sent, newest first."""
    query = writing.sendings_seen(request.user, select(MessageSending)).order_by(MessageSending.id.desc())
    if before is not None:
        query = query.where(MessageSending.id < before)
    if campaign is not None:
        query = query.where(MessageSending.campaign_id == campaign)
    with request.app.state.service.database.read() as session:
        rows = session.scalars(query.limit(limit + 1)).all()
        return page_of(rows, limit, _sending, lambda row: row.id)


@api_get("/api/v1/message-sendings/{sending_id:int}", guards=[needs("messages")], tag=TAG)
def get_sending(
    request: Request[Visitor, Any, Any], sending_id: FromPath[int], after: Number = None, limit: Limit = 50
) -> SendingDetails:
    """One sending."""
    with request.app.state.service.database.read() as session:
        row = outbox.sending_seen(session, request.user, sending_id)
        if row is None:
            raise NotFoundException(detail="There is no such sending.")
        skips = outbox.skips_page(session, sending_id, after, limit)
        items = [SkipItem(skip.member_id, name, skip.reason, skip.detail) for skip, name in skips[:limit]]
        return SendingDetails(_sending(row), items, items[-1].member_id if len(skips) > limit else None)


@api_post("/api/v1/message-sendings/{sending_id:int}/cancel", guards=CHANGES, tag=TAG, status=200)
def cancel_sending(request: Request[Visitor, Any, Any], sending_id: FromPath[int]) -> CancelledCount:
    """Take back what waits of a sending."""
    return CancelledCount(outbox.cancel_sending(request.app.state.service, request.user, sending_id))


def _item(row: outbox.OutboxRow) -> MessageItem:
    return filled(MessageItem, row, send_ms=to_ms(row.send_at))


def _sending(row: MessageSending) -> SendingItem:
    return filled(SendingItem, row)


HANDLERS: list[Any] = [
    list_messages,
    get_sending_form,
    get_message,
    cancel_message,
    count_text,
    preview_sending,
    make_sending,
    list_sendings,
    get_sending,
    cancel_sending,
]
