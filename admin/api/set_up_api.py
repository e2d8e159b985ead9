"""The set-up checklist."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from admin.access import Visitor, needs
from admin.checklist import basic_data, whole_checklist
from admin.i18n import translate

from .handlers import api_get

TAG = "Set-up"


class SetUpItem(msgspec.Struct):
    """Something that an installation needs."""

    label: str
    hint: str
    address: str
    """Page on which it is made."""
    is_done: bool
    is_basic: bool
    """Business is refused without it."""


class SetUp(msgspec.Struct):
    """What is there and what is missing."""

    is_ready: bool
    """Whether business may begin."""
    items: list[SetUpItem]


@api_get("/api/v1/set-up", guards=[needs("basic-data")], tag=TAG)
def get_set_up(request: Request[Visitor, Any, Any]) -> SetUp:
    """Basic data, which business waits for, and what else the caller could see to."""
    with request.app.state.service.database.read() as session:
        basics = basic_data(session)
        others = [item for item in whole_checklist(session, request.user) if not item.is_basic]
    shown = [*basics, *(others if request.user.sees_everything else ())]
    items = [
        SetUpItem(translate(one.label), translate(one.hint), one.address, one.is_done, one.is_basic) for one in shown
    ]
    return SetUp(is_ready=all(item.is_done for item in basics), items=items)


HANDLERS = [get_set_up]
