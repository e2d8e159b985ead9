"""System parameters: what there is, what holds now, what it was."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.parameters import REASON_LENGTH_MAX, ChoiceParameter, NumberParameter, history_of, set_parameter
from admin.rights import Action
from admin.service import Service

from .handlers import Limit, api_get, api_put

TAG = "Parameters"
NO_ZERO = r"^[^\x00]*$"


class Parameter(msgspec.Struct):
    """A parameter, its bounds, and the value that holds now."""

    name: str
    label: str
    value: str
    default: str
    least: int | None
    most: int | None
    choices: list[str]
    """Empty for a number or a text."""


class ParameterChange(msgspec.Struct, forbid_unknown_fields=True):
    """Another value."""

    value: Annotated[str, msgspec.Meta(max_length=40, pattern=NO_ZERO)]
    from_ms: Annotated[int, msgspec.Meta(ge=0, le=2**52, description="From when it holds; 0: from now on.")] = 0
    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX, pattern=NO_ZERO)] = ""


class ParameterValue(msgspec.Struct):
    """What a parameter was set to."""

    value: str
    from_ms: int
    set_by: int
    set_ms: int
    reason: str


@api_get("/api/v1/parameters", guards=[needs("parameters")], tag=TAG)
def list_parameters(request: Request[Visitor, Any, Any]) -> list[Parameter]:
    """All parameters."""
    service: Service = request.app.state.service
    return [_item(service, name) for name in service.parameters.all]


@api_get("/api/v1/parameters/{name:str}", guards=[needs("parameters")], tag=TAG)
def get_parameter(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Parameter:
    """One parameter."""
    service: Service = request.app.state.service
    if name not in service.parameters.all:
        raise NotFoundException(detail="There is no such parameter.")
    return _item(service, name)


@api_put(
    "/api/v1/parameters/{name:str}",
    guards=[needs("parameters", Action.CHANGE)],
    tag=TAG,
    pages=("POST /parameters/{name}",),
)
def put_parameter(
    request: Request[Visitor, Any, Any], name: FromPath[str], data: JSONBody[ParameterChange]
) -> Parameter:
    """Give a parameter another value, from now on or from a moment to come."""
    service: Service = request.app.state.service
    if name not in service.parameters.all:
        raise NotFoundException(detail="There is no such parameter.")
    set_parameter(service, request.user, name, data.value, from_ms_utc=data.from_ms, reason=data.reason)
    return _item(service, name)


@api_get("/api/v1/parameters/{name:str}/history", guards=[needs("parameters")], tag=TAG)
def get_history(request: Request[Visitor, Any, Any], name: FromPath[str], limit: Limit = 50) -> list[ParameterValue]:
    """What a parameter was set to, newest first."""
    service: Service = request.app.state.service
    if name not in service.parameters.all:
        raise NotFoundException(detail="There is no such parameter.")
    with service.database.read() as session:
        return [
            ParameterValue(row.value, to_ms(row.from_time), row.set_by, to_ms(row.set_at), row.reason)
            for row in history_of(session, name, limit)
        ]


def _item(service: Service, name: str) -> Parameter:
    one = service.parameters.all[name]
    return Parameter(
        name=name,
        label=one.label,
        value=service.parameters.text(name, service.now()),
        default=str(one.default),
        least=one.least if isinstance(one, NumberParameter) else None,
        most=one.most if isinstance(one, NumberParameter) else None,
        choices=list(one.choices) if isinstance(one, ChoiceParameter) else [],
    )


HANDLERS = [list_parameters, get_parameter, put_parameter, get_history]
