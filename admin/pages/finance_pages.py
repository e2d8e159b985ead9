"""The interface to the books: setting it up, days against the ledger, documents and their answers, the job's runs."""

from __future__ import annotations

import datetime
from datetime import timedelta
from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.finance.adapter import key_of
from admin.finance.contents import ACCOUNTS, Content
from admin.finance.job import SETUP, days_of, open_documents, run_now, set_up, try_again
from admin.i18n import FIRST_DATE
from admin.members.today import today_of
from admin.models.finance import FinanceDocument, FinanceRun, FinanceSetup, FinanceState
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get
from .member_common import first, sent_texts

_ = str
VIEWS = needs("data-exchange")
CHANGES = needs("data-exchange", Action.CHANGE)
DAYS_SHOWN, DOCUMENTS_SHOWN, RUNS_SHOWN = 31, 100, 50
STATES: dict[str, str] = {
    FinanceState.WAITING: _("Waiting"),
    FinanceState.SENT: _("Sent"),
    FinanceState.ACKNOWLEDGED: _("Acknowledged"),
    FinanceState.EMPTY: _("Nothing to book"),
    FinanceState.FAILED: _("Refused by the books"),
}
TONES = {FinanceState.ACKNOWLEDGED: "good", FinanceState.FAILED: "bad", FinanceState.EMPTY: ""}


@get("/finance", guards=[VIEWS])
def show_finance(
    request: Request[Visitor, Any, Any], date: FromQuery[str] = "", stage: FromQuery[str] = ""
) -> Template:
    """Days, documents and runs."""
    return _show(request, date, stage, "")


def _show(request: Request[Visitor, Any, Any], date: str, stage: str, problem: str) -> Template:
    service = request.app.state.service
    with service.database.read() as session:
        today = (today_of(session, service) - FIRST_DATE).days
        setup = session.get(FinanceSetup, SETUP)
        days = days_of(session, setup, today, DAYS_SHOWN) if setup is not None else []
        documents = open_documents(session, parse_date(date), stage if stage in STATES else "", DOCUMENTS_SHOWN)
        runs = list(session.scalars(select(FinanceRun).order_by(FinanceRun.id.desc()).limit(RUNS_SHOWN)))
        session.expunge_all()
    kept = msgspec.json.decode(setup.accounts, type=dict[str, str]) if setup is not None else {}
    begins = setup.first_date if setup is not None else today
    return page(
        request,
        "finance.html",
        http_status=409 if problem else 200,
        setup=setup,
        first_date=(FIRST_DATE + timedelta(days=begins)).isoformat(),
        accounts=[(name, label, kept.get(name, usual)) for name, (label, usual) in ACCOUNTS.items()],
        days=days,
        documents=documents,
        runs=runs,
        states=STATES,
        tones=TONES,
        key_of=key_of,
        date=date if parse_date(date) is not None else "",
        stage=stage,
        problem=problem,
    )


@get("/finance/{date:int}/{store_id:int}/{number:int}", guards=[VIEWS])
def show_finance_document(
    request: Request[Visitor, Any, Any], date: FromPath[int], store_id: FromPath[int], number: FromPath[int]
) -> Template:
    """A document: its voucher, its goods, and what the books said."""
    with request.app.state.service.database.read() as session:
        row = session.get(FinanceDocument, (date, store_id, number)) if max(date, number) < 2**31 else None
        if row is None:
            raise NotFoundException(detail="There is no such document.")
        session.expunge_all()
    return page(
        request,
        "finance_document.html",
        row=row,
        key=key_of(date, store_id, number),
        content=msgspec.json.decode(row.content, type=Content),
        accounts={name: label for name, (label, _usual) in ACCOUNTS.items()},
        states=STATES,
        tones=TONES,
    )


@async_post("/finance", guards=[CHANGES], status_code=200)
async def do_set_up(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Switch the interface on or off, and say where what is booked."""
    texts = await sent_texts(request)

    def act() -> None:
        date = parse_date(first(texts, "first_date"))
        if date is None:
            raise RefusedError("A date such as 2026-01-31 is expected.")
        accounts = {name: first(texts, f"account-{name}") for name in ACCOUNTS}
        service = request.app.state.service
        set_up(service, request.user, is_on=bool(first(texts, "is_on")), first_date=date, accounts=accounts)

    return await _acted(request, act)


@async_post("/finance/run", guards=[CHANGES], status_code=200)
async def do_run(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """A round of the job without waiting for the clock."""
    return await _acted(request, lambda: run_now(request.app.state.service, request.user))


@async_post("/finance/{date:int}/{store_id:int}/{number:int}/again", guards=[CHANGES], status_code=200)
async def do_try_again(
    request: Request[Visitor, Any, Any], date: FromPath[int], store_id: FromPath[int], number: FromPath[int]
) -> Response[Any]:
    """Send a document that the books have refused once more."""
    if max(date, number) >= 2**31:
        raise NotFoundException(detail="There is no such document.")
    return await _acted(request, lambda: try_again(request.app.state.service, request.user, (date, store_id, number)))


async def _acted(request: Request[Visitor, Any, Any], act: Any) -> Response[Any]:
    try:
        await to_thread.run_sync(act)
    except RefusedError as error:
        return await to_thread.run_sync(_show, request, "", "", refusal_text(error))
    return go(request, "/finance")


def parse_date(text: str) -> int | None:
    """Days since 1970 of a date that a browser's field sent; None for none."""
    try:
        return (datetime.date.fromisoformat(text.strip()) - FIRST_DATE).days if text.strip() else None
    except ValueError:
        return None


HANDLERS: list[Any] = [show_finance, show_finance_document, do_set_up, do_run, do_try_again]
