"""All handlers of the interface, and the document that describes them."""

from __future__ import annotations

from itertools import chain
from typing import Any

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag

from . import (
    activity_api,
    alarm_api,
    audit_api,
    call_api,
    campaign_api,
    card_api,
    card_desk_api,
    card_type_api,
    care_api,
    cashier_api,
    ceremony_api,
    consumption_api,
    dashboard_api,
    day_api,
    document_api,
    employee_api,
    entry_api,
    export_api,
    face_api,
    finance_api,
    journey_api,
    member_api,
    member_care_api,
    member_file_api,
    member_setting_api,
    member_view_api,
    message_api,
    message_setting_api,
    money_api,
    opinion_api,
    order_api,
    organisation_api,
    parameter_api,
    pay_api,
    point_api,
    product_api,
    query_api,
    report_api,
    rule_api,
    security_api,
    set_up_api,
    slip_api,
    terminal_api,
    timer_api,
    token_api,
    user_api,
    webhook_api,
)
from .describing import DescribedPlugin

MODULES = (
    dashboard_api,
    card_api,
    card_desk_api,
    card_type_api,
    face_api,
    ceremony_api,
    entry_api,
    finance_api,
    document_api,
    slip_api,
    employee_api,
    member_api,
    member_view_api,
    member_care_api,
    member_setting_api,
    member_file_api,
    message_api,
    message_setting_api,
    journey_api,
    consumption_api,
    export_api,
    care_api,
    opinion_api,
    cashier_api,
    activity_api,
    call_api,
    money_api,
    point_api,
    rule_api,
    order_api,
    campaign_api,
    product_api,
    organisation_api,
    terminal_api,
    day_api,
    alarm_api,
    security_api,
    set_up_api,
    report_api,
    query_api,
    timer_api,
    pay_api,
    user_api,
    token_api,
    webhook_api,
    parameter_api,
    audit_api,
)
API_HANDLERS: list[Any] = list(chain.from_iterable(module.HANDLERS for module in MODULES))
TAGS = {module.TAG: (module.__doc__ or "").strip() for module in MODULES if module is not member_view_api}
"""What each part of the interface is about."""
DESCRIPTION = """\
Everything that the pages do, for programs. Money is in minor units, points in hundredths, moments in milliseconds since
1970-01-01 UTC, business dates in days since 1970-01-01. Cards are named by references; their numbers are texts, masked
unless the token may see them. Lists are answered in pages: `next` of one is the key of the next. Errors are problem
details (RFC 9457), in the language of Accept-Language (zh or en)."""


def openapi_config() -> OpenAPIConfig:
    """The document at /schema/openapi.json; Litestar's pages of it load scripts from elsewhere, ours is /interface."""
    return OpenAPIConfig(
        title="cardswitch admin",
        version="1",
        description=DESCRIPTION,
        render_plugins=[DescribedPlugin()],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, opt={"public": True}),
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="http", scheme="bearer", description="A token of the page Tokens of programs."
                )
            }
        ),
        tags=[Tag(name=name, description=description) for name, description in TAGS.items()],
    )
