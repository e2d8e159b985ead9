"""What records of members hold: code tables, and fields of the installation's own."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.members.definitions import CODE_TABLES, FIELD_KINDS, custom_fields, put_code, put_field
from admin.models.members import MemberCode
from admin.rights import Action

from .common import page
from .handlers import get
from .member_common import acted, first, number_in, sent_texts

DEFINES = needs("member-settings", Action.CHANGE)


@get("/member-fields", guards=[DEFINES])
def list_fields(request: Request[Visitor, Any, Any]) -> Template:
    """Own fields, and the code tables."""
    with request.app.state.service.database.read() as session:
        fields = custom_fields(session)
    return page(request, "member_fields.html", fields=fields, kinds=FIELD_KINDS, tables=CODE_TABLES)


@async_post("/member-fields", guards=[DEFINES], status_code=200)
async def do_field(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Define a field or change one."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: put_field(
            request.app.state.service,
            request.user,
            number_in(texts, "field") or None,
            name=first(texts, "name"),
            kind=first(texts, "kind"),
            choices=first(texts, "choices").splitlines(),
            rank=number_in(texts, "rank"),
            is_offered=bool(first(texts, "is_offered")),
        ),
        "/member-fields",
    )


@get("/member-codes/{table:str}", guards=[DEFINES])
def list_codes(request: Request[Visitor, Any, Any], table: FromPath[str]) -> Template:
    """One code table."""
    if table not in CODE_TABLES:
        raise NotFoundException(detail="There is no such code table.")
    with request.app.state.service.database.read() as session:
        query = select(MemberCode).where(MemberCode.table_name == table).order_by(MemberCode.code)
        rows = list(session.scalars(query))
        session.expunge_all()
    return page(request, "member_codes.html", rows=rows, table=table, label=CODE_TABLES[table])


@async_post("/member-codes/{table:str}", guards=[DEFINES], status_code=200)
async def do_code(request: Request[Visitor, Any, Any], table: FromPath[str]) -> Response[Any]:
    """Add a code, or rename or withdraw one."""
    texts = await sent_texts(request)
    return await acted(
        request,
        lambda: put_code(
            request.app.state.service,
            request.user,
            table,
            number_in(texts, "code"),
            first(texts, "name_zh"),
            first(texts, "name_en"),
            is_offered=bool(first(texts, "is_offered")),
        ),
        f"/member-codes/{table}",
    )


HANDLERS: list[Any] = [list_fields, do_field, list_codes, do_code]
