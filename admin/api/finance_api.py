"""The interface to the books: days against the ledger, documents and their answers, set-up, a round of the job."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.finance.adapter import key_of
from admin.finance.contents import Content
from admin.finance.job import SETUP, days_of, open_documents, run_now, set_up, try_again
from admin.i18n import FIRST_DATE
from admin.members.today import today_of
from admin.models.finance import FinanceDocument, FinanceSetup
from admin.rights import Action

from .handlers import Done, Limit, SmallNumber, api_get, api_post, filled

TAG = "Finance interface"
VIEWS = [needs("data-exchange")]
CHANGES = [needs("data-exchange", Action.CHANGE)]
DATE_MAX = 2_900_000


class FinanceDay(msgspec.Struct):
    """A business date in the ledger and in the documents."""

    date: int
    ledger_minor: int
    documents_minor: int
    is_equal: bool


class FinanceItem(msgspec.Struct):
    """A document for the books."""

    key: str
    """Date, store and number: the books take each key once."""
    business_date: int
    store_id: int
    number: int
    is_red: bool
    value_minor: int
    state: str
    """waiting, sent, acknowledged, empty or failed"""
    attempts: int
    problem: str


class Finance(msgspec.Struct):
    """Set-up, days and documents."""

    is_on: bool
    first_date: int | None
    days: list[FinanceDay]
    """Newest first."""
    documents: list[FinanceItem]
    """Newest date first."""


class FinanceDetails(msgspec.Struct):
    """A document with its lines."""

    item: FinanceItem
    content: Content


class FinanceChoices(msgspec.Struct, forbid_unknown_fields=True):
    """Whether documents are sent, from which date on, and where what is booked."""

    is_on: bool
    first_date: Annotated[int, msgspec.Meta(ge=0, le=DATE_MAX)]
    accounts: dict[
        Annotated[str, msgspec.Meta(max_length=20, pattern="^[a-z]*$")],
        Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[0-9A-Za-z.]*$")],
    ]
    """liability, revenue, cash, gift, other: numbers of accounts in the books"""


def _item(row: FinanceDocument) -> FinanceItem:
    return filled(FinanceItem, row, key=key_of(row.business_date, row.store_id, row.number))


@api_get("/api/v1/finance", guards=VIEWS, tag=TAG)
def get_finance(request: Request[Visitor, Any, Any], date: SmallNumber = None, limit: Limit = 50) -> Finance:
    """Days against the ledger, and documents (of a date, where one is named)."""
    service = request.app.state.service
    with service.database.read() as session:
        today = (today_of(session, service) - FIRST_DATE).days
        setup = session.get(FinanceSetup, SETUP)
        days = days_of(session, setup, today, limit) if setup is not None else []
        documents = [_item(row) for row in open_documents(session, date, "", limit)]
    shown = [FinanceDay(day.date, day.ledger_minor, day.documents_minor, day.is_equal) for day in days]
    is_on, first_date = (setup.is_on, setup.first_date) if setup is not None else (False, None)
    return Finance(is_on, first_date, shown, documents)


@api_get("/api/v1/finance/{date:int}/{store_id:int}/{number:int}", guards=VIEWS, tag=TAG)
def get_finance_document(
    request: Request[Visitor, Any, Any], date: FromPath[int], store_id: FromPath[int], number: FromPath[int]
) -> FinanceDetails:
    """A document with its voucher and its goods."""
    with request.app.state.service.database.read() as session:
        row = session.get(FinanceDocument, _key(date, store_id, number))
        if row is None:
            raise NotFoundException(detail="There is no such document.")
        return FinanceDetails(_item(row), msgspec.json.decode(row.content, type=Content))


@api_post("/api/v1/finance", guards=CHANGES, tag=TAG, status=200)
def put_finance(request: Request[Visitor, Any, Any], data: JSONBody[FinanceChoices]) -> Done:
    """Switch the interface on or off, and say where what is booked."""
    service = request.app.state.service
    set_up(service, request.user, is_on=data.is_on, first_date=data.first_date, accounts=data.accounts)
    return Done("books")


@api_post("/api/v1/finance/run", guards=CHANGES, tag=TAG, status=200)
def run_finance(request: Request[Visitor, Any, Any]) -> Done:
    """A round of the job without waiting for the clock."""
    run_now(request.app.state.service, request.user)
    return Done("books")


@api_post("/api/v1/finance/{date:int}/{store_id:int}/{number:int}/again", guards=CHANGES, tag=TAG, status=200)
def send_again(
    request: Request[Visitor, Any, Any], date: FromPath[int], store_id: FromPath[int], number: FromPath[int]
) -> Done:
    """Send a document that the books have refused once more."""
    key = _key(date, store_id, number)
    try_again(request.app.state.service, request.user, key)
    return Done(key_of(*key))


def _key(date: int, store_id: int, number: int) -> tuple[int, int, int]:
    if not (date <= DATE_MAX and store_id < 2**63 and number < 2**31):
        raise NotFoundException(detail="There is no such document.")
    return date, store_id, number


HANDLERS = [get_finance, get_finance_document, put_finance, run_finance, send_again]
