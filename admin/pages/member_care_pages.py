"""Family and cards of a member, levels by hand, talks, churn, birthdays, merging two records."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.care import contacts
from admin.errors import RefusedError
from admin.members import care
from admin.members.definitions import CODE_MAX, STATES, codes_of
from admin.members.drafts import labels_of
from admin.members.further import put_contact
from admin.members.identity import read_day
from admin.members.levels import held_until_of, set_level
from admin.members.merging import merge, pair, planned, undo
from admin.members.relations import move_secondaries, put_relative, set_primary
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.models.members import Member
from admin.rights import Action

from .common import PAGE_ROWS, go, is_part_wanted, page, refusal_text, with_query
from .common import number_in as number_in_address
from .handlers import get
from .member_common import acted, day_in, first, member_rows, number_in, sent_texts

_ = str
CHANGES = needs("members", Action.CHANGE)
DAYS_AHEAD_MAX = 62
SILENT_DAYS = 90
WHATS: dict[str, str] = {
    "birthday": _("Birthday"),
    "anniversary": _("Anniversary"),
    "relative": _("Birthday in the family"),
}


def _page_of(member_id: int) -> str:
    return f"/members/{member_id}"


@async_post("/members/{member_id:int}/primary", guards=[CHANGES], status_code=200)
async def do_primary(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Put a member under a primary one; without a number, on its own."""
    texts = await sent_texts(request)
    primary, relation = number_in(texts, "primary") or None, number_in(texts, "relation")
    return await acted(
        request,
        lambda: set_primary(request.app.state.service, request.user, member_id, primary, relation),
        _page_of(member_id),
    )


@async_post("/members/{member_id:int}/secondaries", guards=[CHANGES], status_code=200)
async def do_secondaries(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Give all secondaries of a member another primary one."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: move_secondaries(request.app.state.service, request.user, member_id, number_in(texts, "primary")),
        _page_of(member_id),
    )


@async_post("/members/{member_id:int}/relatives", guards=[CHANGES], status_code=200)
async def do_relative(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Note a person of the household, change or remove it."""
    texts = await sent_texts(request)

    def act() -> None:
        born = first(texts, "birth_date").strip()
        if born and not read_day(born):
            raise RefusedError("A date such as 1990-05-31 is expected.")
        put_relative(
            request.app.state.service,
            request.user,
            member_id,
            number_in(texts, "relative") or None,
            name=first(texts, "name"),
            relation=number_in(texts, "relation"),
            birth_date=read_day(born),
        )

    return await acted(request, act, _page_of(member_id))


@async_post("/members/{member_id:int}/contact-points", guards=[CHANGES], status_code=200)
async def do_contact_point(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Add a further telephone or address, or remove one."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: put_contact(
            request.app.state.service,
            request.user,
            member_id,
            place=number_in(texts, "place"),
            kind=first(texts, "kind"),
            text=first(texts, "value"),
            note=first(texts, "note"),
        ),
        _page_of(member_id),
    )


@async_post("/members/{member_id:int}/level", guards=[CHANGES], status_code=200)
async def do_level(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Give a level by hand."""
    texts = await sent_texts(request)
    service = request.app.state.service

    def act() -> None:
        with service.database.read() as session:
            today = today_of(session, service)
        held_until = held_until_of(first(texts, "held_until"), today)
        level_id = number_in(texts, "level") or None
        set_level(service, request.user, member_id, level_id, reason=first(texts, "reason"), held_until=held_until)

    return await acted(request, act, _page_of(member_id))


# ------------------------------------------------------------------------- talks


@get("/member-contacts", guards=[needs("members")])
def list_contacts(
    request: Request[Visitor, Any, Any],
    kind: FromQuery[str] = "",
    channel: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    q: FromQuery[str] = "",
    member: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Talks with members of the visitor's part, newest first."""
    filters = {
        **{"kind": kind, "channel": channel, "stage": stage, "q": q, "member": member},
        **{"since": since, "until": until},
    }
    wanted = contacts.Wanted(kind, channel, stage, q, number_in_address(member) or 0, day_in(since), day_in(until))
    with request.app.state.service.database.read() as session:
        found = contacts.contacts_page(session, request.user, wanted, before=number_in_address(before), limit=PAGE_ROWS)
        rows = [(talk, one.id, one.name, who) for talk, one, who in found[:PAGE_ROWS]]
        session.expunge_all()
    more = rows[-1][0].id if len(found) > PAGE_ROWS else ""
    return page(
        request,
        "_contact_rows.html" if is_part_wanted(request) else "member_contacts.html",
        rows=rows,
        filters=filters,
        kinds=contacts.CONTACT_KINDS,
        channels=contacts.CHANNELS,
        is_first=not before,
        next_address=with_query("/member-contacts", {**filters, "before": more}) if more else None,
    )


@async_post("/members/{member_id:int}/contacts", guards=[CHANGES], status_code=200)
async def do_contact(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Note a talk."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: contacts.add_contact(
            request.app.state.service,
            request.user,
            member_id,
            kind=first(texts, "kind"),
            channel=first(texts, "channel"),
            is_incoming=first(texts, "direction") == "in",
            content=first(texts, "content"),
            result=first(texts, "result"),
            satisfaction=number_in(texts, "satisfaction"),
            is_open=bool(first(texts, "is_open")),
            next_date=day_in(first(texts, "next_date")),
        ),
        f"{_page_of(member_id)}/care" if first(texts, "back") == "care" else _page_of(member_id),
    )


@async_post("/member-contacts/{contact_id:int}/close", guards=[CHANGES], status_code=200)
async def do_close_contact(request: Request[Visitor, Any, Any], contact_id: FromPath[int]) -> Response[Any]:
    """Note what came of an open talk."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: contacts.close_contact(request.app.state.service, request.user, contact_id, first(texts, "result")),
        "/member-contacts?stage=open",
    )


# ------------------------------------------------------------------------- churn


@get("/member-churn", guards=[needs("members")])
def list_churn(
    request: Request[Visitor, Any, Any],
    stage: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    region: FromQuery[str] = "",
    product: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Records of churn of the visitor's part, newest first."""
    with request.app.state.service.database.read() as session:
        found = care.churn_page(
            session,
            request.user,
            stage=stage,
            kind=_code(kind),
            region=_code(region),
            product=product,
            before=number_in_address(before),
            limit=PAGE_ROWS,
        )
        kinds, regions = codes_of(session, "churn"), codes_of(session, "region")
        rows = [(one, member.id, member.name, regions.get(member.region, "")) for one, member in found[:PAGE_ROWS]]
        session.expunge_all()
    filters = {"stage": stage, "kind": kind, "region": region, "product": product}
    more = rows[-1][0].id if len(found) > PAGE_ROWS else ""
    return page(
        request,
        "_churn_rows.html" if is_part_wanted(request) else "member_churn.html",
        rows=rows,
        filters=filters,
        stages=care.CHURN_STAGES,
        kinds=kinds,
        regions=regions,
        silent_days=SILENT_DAYS,
        is_first=not before,
        next_address=with_query("/member-churn", {**filters, "before": more}) if more else None,
    )


def _code(text: str) -> int | None:
    """A code as the address has it; one that nothing has for what is none."""
    number = number_in_address(text)
    return None if not text else number if number is not None and number <= CODE_MAX else -1


@async_post("/members/{member_id:int}/churn", guards=[CHANGES], status_code=200)
async def do_churn(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Note that a member stays away, or what became of it."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: care.put_churn(
            request.app.state.service,
            request.user,
            member_id,
            number_in(texts, "churn") or None,
            stage=first(texts, "stage"),
            kind=number_in(texts, "kind"),
            product=first(texts, "product")[:80],
            reason=first(texts, "reason")[:200],
            action=first(texts, "action")[:2000],
            result=first(texts, "result")[:2000],
        ),
        _page_of(member_id),
    )


@async_post("/member-churn/{churn_id:int}/delete", guards=[needs("members", Action.DELETE)], status_code=200)
async def do_delete_churn(request: Request[Visitor, Any, Any], churn_id: FromPath[int]) -> Response[Any]:
    """Remove a record of churn that was a mistake."""
    return await acted(
        request, lambda: care.delete_churn(request.app.state.service, request.user, churn_id), "/member-churn"
    )


@async_post("/member-churn/find", guards=[CHANGES], status_code=200)
async def do_find_churn(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Suspect all who did not buy for some time."""
    texts = await sent_texts(request)
    service = request.app.state.service

    def act() -> None:
        from admin.members.totals import catch_up

        days = number_in(texts, "days")
        if not 1 <= days <= 3_660:
            raise RefusedError("A period has 1 to {most} days.", most=3_660)
        catch_up(service.database)
        with service.database.read() as session:
            today = today_of(session, service)
        care.find_churn(service, request.user, today, days)

    return await acted(request, act, "/member-churn?stage=candidate")


# ------------------------------------------------------------------------- days to remember


@get("/member-days", guards=[needs("members")])
def list_days(request: Request[Visitor, Any, Any], days: FromQuery[str] = "7") -> Template:
    """Birthdays and anniversaries of the next days."""
    service = request.app.state.service
    count = int(days) if days.isascii() and days.isdecimal() and 0 < len(days) <= 2 else 7
    count = max(1, min(count, DAYS_AHEAD_MAX))
    with service.database.read() as session:
        found = care.anniversaries(session, request.user, today_of(session, service), count)
        vault = Vault(service)
        phones = {row.id: row.phone for row in member_rows(session, vault, [one.member for one in found])}
        rows = [
            (one.day.isoformat(), WHATS[one.what], one.name, one.years, one.member.id, one.member.name) for one in found
        ]
    return page(request, "member_days.html", rows=rows, phones=phones, days=count, days_max=DAYS_AHEAD_MAX)


# ------------------------------------------------------------------------- merging


@get("/members/{member_id:int}/merge", guards=[CHANGES])
def show_merge(request: Request[Visitor, Any, Any], member_id: FromPath[int], other: FromQuery[str] = "") -> Template:
    """What merging another record into this one would do."""
    service, visitor = request.app.state.service, request.user
    number = int(other) if other.isascii() and other.isdecimal() and len(other) <= 15 else 0
    context: dict[str, Any] = {"member_id": member_id, "other": other, "problem": "", "moved": None, "rows": []}
    with service.database.read() as session:
        vault = Vault(service)
        survivor = session.scalar(visitor.members_seen(select(Member).where(Member.id == member_id)))
        if survivor is None:
            raise NotFoundException(detail="There is no such member.")
        context["name"] = survivor.name
        if number:
            try:
                survivor, merged = pair(session, visitor, member_id, number)
                context["moved"] = planned(session, vault, survivor, merged)
                context["rows"] = member_rows(session, vault, [survivor, merged])
            except RefusedError as error:
                context["problem"] = refusal_text(error)
    labels = labels_of() | {"id_sealed": _("ID number")}
    return page(
        request,
        "member_merge.html",
        http_status=409 if context["problem"] else 200,
        labels=labels,
        states=STATES,
        **context,
    )


@async_post("/members/{member_id:int}/merge", guards=[CHANGES], status_code=200)
async def do_merge(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Merge another record into this one."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: merge(
            request.app.state.service, request.user, member_id, number_in(texts, "other"), first(texts, "reason")
        ),
        _page_of(member_id),
    )


@async_post("/member-merges/{merge_id:int}/undo", guards=[CHANGES], status_code=200)
async def do_undo_merge(request: Request[Visitor, Any, Any], merge_id: FromPath[int]) -> Response[Any]:
    """Take a merge back."""
    from anyio import to_thread

    member_id = await to_thread.run_sync(undo, request.app.state.service, request.user, merge_id)
    return go(request, _page_of(member_id))


HANDLERS: list[Any] = [
    do_primary,
    do_secondaries,
    do_relative,
    do_contact_point,
    do_level,
    list_contacts,
    do_contact,
    do_close_contact,
    list_churn,
    do_churn,
    do_delete_churn,
    do_find_churn,
    list_days,
    show_merge,
    do_merge,
    do_undo_merge,
]
