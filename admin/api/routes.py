"""All handlers of the interface, and the document that describes them."""

from __future__ import annotations

from itertools import chain
from typing import Any

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

from . import (
    alarm_api,
    audit_api,
    card_api,
    dashboard_api,
    document_api,
    entry_api,
    organisation_api,
    parameter_api,
    terminal_api,
    token_api,
    user_api,
    webhook_api,
)

MODULES = (
    dashboard_api,
    card_api,
    entry_api,
    alarm_api,
    document_api,
    organisation_api,
    terminal_api,
    user_api,
    token_api,
    webhook_api,
    parameter_api,
    audit_api,
)
API_HANDLERS: list[Any] = list(chain.from_iterable(module.HANDLERS for module in MODULES))
DESCRIPTION = """\
Everything that the pages do, for programs. Money is in minor units, points in hundredths, moments in milliseconds since
1970-01-01 UTC, business dates in days since 1970-01-01. Cards are named by references; their numbers are texts, masked
unless the token may see them. Lists are answered in pages: `next` of one is the key of the next. Errors are problem
details (RFC 9457), in the language of Accept-Language (zh or en)."""


def openapi_config() -> OpenAPIConfig:
    """The document at /schema/openapi.json; no page of it, since those load scripts from elsewhere."""
    return OpenAPIConfig(
        title="cardswitch admin",
        version="1",
        description=DESCRIPTION,
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, opt={"public": True}),
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="http", scheme="bearer", description="A token of the page Tokens of programs."
                )
            }
        ),
        tags=[Tag(name=module.TAG, description=(module.__doc__ or "").strip()) for module in MODULES],
    )
