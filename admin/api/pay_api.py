"""Wages: what was agreed with whom, from which day on."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from admin.access import Visitor, needs
from admin.people.pay import PayForm, pay_page, put_terms
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Key, Limit, Page, api_get, api_post, filled

TAG = "Wages"
CHANGES = [needs("pay", Action.CHANGE)]
PayBody = body_of(PayForm, "NewPay")


class PayItem(msgspec.Struct):
    """Pay of one employee from a day on; a month goes by the terms of its last day."""

    user_id: int
    name: str
    full_name: str
    from_date: int
    base_minor: int
    """Each month."""
    card_bp: int
    """Commission on value that he sold."""
    noted_bp: int
    """Commission on purchases noted by hand under his name."""
    made_ms: int
    made_by: int


@api_get("/api/v1/pay", guards=[needs("pay")], tag=TAG)
def list_pay(request: Request[Visitor, Any, Any], after: Key = "", limit: Limit = 50) -> Page[PayItem]:
    """Terms of all employees of the visitor's part, by name, newest first."""
    with request.app.state.service.database.read() as session:
        rows, last = pay_page(session, request.user, after, limit)
    return Page([filled(PayItem, row) for row in rows], last)


def _agree(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Agree on pay from a day on; the same day again corrects it. Nobody sets his own."""
    form = checked(request, PayForm, data)
    put_terms(request.app.state.service, request.user, form)
    return Done(str(form.user_id))


agree_on_pay = takes(api_post("/api/v1/pay", guards=CHANGES, tag=TAG, status=200), _agree, PayBody)
get_pay_form = form_handler("/api/v1/pay/form", PayForm, guards=CHANGES, tag=TAG, pages=())
HANDLERS = [list_pay, agree_on_pay, get_pay_form]
