"""The description of the interface for programs as pages: what there is, what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.api.describing import document_of, example_of
from admin.api.summaries import summary_text

from .common import page
from .handlers import get

BOUNDS = (("minimum", "≥"), ("maximum", "≤"), ("maxLength", "≤"))
DETAILS_MAX = 60
"""Operations of a part that are shown in full; a longer part is a list with one of them in full."""
METHODS = ("get", "post", "put", "delete")
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A parameter, or a field of a body or an answer."""

    name: str
    place: str
    """path, query, header; empty for a field."""
    type: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation."""

    method: str
    path: str
    summary: str
    """In the visitor's language."""
    text: str
    """What there is to be said besides, in English; most say nothing more."""
    rights: list[str]
    parameters: list[FieldRow]
    body: list[FieldRow]
    body_example: str
    status: str
    answer: list[FieldRow]
    answer_example: str
    media_type: str
    errors: list[str]


@get("/interface", guards=[needs("tokens")])
def show_interface(
    request: Request[Visitor, Any, Any], tag: FromQuery[str] = "", path: FromQuery[str] = ""
) -> Template:
    """Parts of the interface, and the operations of one of them; of a long part those of one address."""
    document = document_of(request.app)
    tags = document.get("tags", [])
    shown = next((one for one in tags if one["name"] == tag), tags[0])
    counts: dict[str, int] = {}
    for _path, _method, operation in _operations(document):
        counts[operation["tags"][0]] = counts.get(operation["tags"][0], 0) + 1
    mine = [found for found in _operations(document) if shown["name"] in found[2]["tags"]]
    is_long = len(mine) > DETAILS_MAX
    return page(
        request,
        "interface.html",
        tags=tags,
        shown=shown,
        counts=counts,
        total=sum(counts.values()),
        path=path,
        listed=[(method.upper(), address, summary_text(one["summary"])) for address, method, one in mine]
        if is_long
        else [],
        operations=[
            _read(document, address, method, one) for address, method, one in mine if not is_long or address == path
        ],
    )


HANDLERS: list[Any] = [show_interface]


def _operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _read(document: Schema, path: str, method: str, operation: Schema) -> Operation:
    schemas: dict[str, Schema] = document["components"]["schemas"]
    _body_type, body = _content(operation.get("requestBody", {}))
    good = next(status for status in operation["responses"] if status.startswith("2"))
    media_type, answer = _content(operation["responses"][good])
    return Operation(
        method=method.upper(),
        path=path,
        summary=summary_text(operation["summary"]),
        text=operation["description"].partition("\n")[2].strip(),
        rights=[right for one in operation["security"] for rights in one.values() for right in rights],
        parameters=[
            FieldRow(
                one["name"], one["in"], _type(one["schema"]), one.get("required", False), one.get("description", "")
            )
            for one in operation.get("parameters", ())
        ],
        body=_fields(body, schemas) if body else [],
        body_example=_json(example_of(body, schemas)) if body else "",
        status=good,
        answer=_fields(answer, schemas) if answer else [],
        answer_example=_json(example_of(answer, schemas)) if answer and media_type == "application/json" else "",
        media_type=media_type,
        errors=[status for status in operation["responses"] if not status.startswith("2")],
    )


def _content(holder: Schema) -> tuple[str, Schema | None]:
    """Media type and schema of what goes in or comes out; none where there is nothing."""
    for media_type, content in holder.get("content", {}).items():
        return media_type, content.get("schema")
    return "", None


def _fields(schema: Schema, schemas: dict[str, Schema]) -> list[FieldRow]:
    """Fields of an object, or of the objects of a list."""
    schema = _resolved(schema, schemas)
    if schema.get("type") == "array":
        schema = _resolved(schema["items"], schemas)
    required = set(schema.get("required", ()))
    return [
        FieldRow(name, "", _type(field), name in required, field.get("description") or field.get("title", ""))
        for name, field in schema.get("properties", {}).items()
    ]


def _resolved(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    reference = schema.get("$ref", "")
    return schemas[reference.rpartition("/")[2]] if reference else schema


def _type(schema: Schema) -> str:
    """A type in a word or two, with its bounds."""
    if reference := schema.get("$ref"):
        return str(reference).rpartition("/")[2]
    for key in ("oneOf", "anyOf"):
        if parts := schema.get(key):
            return " | ".join(dict.fromkeys(_type(part) for part in parts))
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    type_ = schema.get("type", "object")
    shown = " | ".join(type_) if isinstance(type_, list) else str(type_)
    bounds = [f"{sign} {schema[key]}" for key, sign in BOUNDS if key in schema]
    return f"{shown} ({', '.join(bounds)})" if bounds else shown


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
