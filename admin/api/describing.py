"""The OpenAPI document completed: what each field is, from the words beneath it, and an example of every schema."""

from __future__ import annotations

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.openapi.plugins import JsonRenderPlugin

REFERENCE = "ocoleur63pom237kosj4vl57kq"
CARD_WORDS = "A card's reference, or its whole number."
DEPTH_MAX = 6
"""Of an example: schemas that hold themselves end somewhere."""
NUMBERS: tuple[tuple[str, int], ...] = (
    ("_ms", 1_767_268_800_000),
    ("date", 20_454),
    ("since", 20_454),
    ("until", 20_454),
    ("_minor", 12_550),
    ("_hundredths", 12_550),
    ("_bp", 500),
    ("organisation_id", 21),
    ("store_id", 21),
    ("terminal_id", 1_001),
    ("sequence", 163_000),
    ("count", 3),
    ("limit", 50),
)
"""Examples of numbers by how the field's name ends."""
TEXTS: tuple[tuple[str, str], ...] = (
    ("reference", REFERENCE),
    ("number", "622202******4533"),
    ("card", "622202******4533"),
    ("phone", "138****5678"),
    ("mobile", "138****5678"),
    ("email", "wei@example.com"),
    ("birth_date", "1990-05-31"),
    ("held_until", "2026-12-31"),
    ("day", "2026-05-31"),
    ("currency", "CNY"),
    ("status", "active"),
    ("state", "done"),
    ("address", "https://example.com/hook"),
    ("name", "Zhang Wei"),
    ("buyer", "Example Trading Ltd"),
    ("remark", "asked for by telephone"),
    ("reason", "asked for by telephone"),
)
"""Examples of texts by how the field's name ends."""
Schema = dict[str, Any]


class DescribedPlugin(JsonRenderPlugin):
    """The document at /schema/openapi.json, completed."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document as JSON; it is the same for everybody, so it is made once."""
        return msgspec.json.encode(document_of(request.app))


def document_of(app: Litestar) -> Schema:
    """The completed document of a service."""
    kept: Schema | None = app.state.get("openapi_document")
    if kept is None:
        kept = completed(app.openapi_schema.to_schema())
        app.state.openapi_document = kept
    return kept


def completed(document: Schema) -> Schema:
    """The document with descriptions of fields and examples of schemas."""
    schemas: dict[str, Schema] = document["components"]["schemas"]
    structs = set(_structs())
    named = Counter(struct.__name__ for struct in structs)
    # A title that two structs share does not say which of them it is.
    words = {struct.__name__: words_beneath(struct) for struct in structs if named[struct.__name__] == 1}
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            if text := words.get(schema.get("title", ""), {}).get(name):
                field.setdefault("description", text)
    for schema in schemas.values():
        schema.setdefault("examples", [example_of(schema, schemas)])
    return document


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Schema], name: str = "", depth: int = 0) -> Any:
    """A value that fits a schema and looks like one that comes."""
    if reference := schema.get("$ref"):
        return example_of(schemas[reference.rpartition("/")[2]], schemas, name, depth + 1)
    for key in ("oneOf", "anyOf", "allOf"):
        if parts := [part for part in schema.get(key, ()) if part.get("type") != "null"]:
            return example_of(parts[0], schemas, name, depth)
    if values := schema.get("enum"):
        return values[0]
    type_ = schema.get("type", "object")
    type_ = next((one for one in type_ if one != "null"), "null") if isinstance(type_, list) else type_
    if type_ == "object":
        fields = schema.get("properties", {}).items() if depth < DEPTH_MAX else ()
        return {key: example_of(field, schemas, key, depth + 1) for key, field in fields}
    if type_ == "array":
        return [example_of(schema.get("items", {}), schemas, name, depth + 1)] if depth < DEPTH_MAX else []
    if type_ == "integer":
        return _number(schema, name)
    if type_ == "string":
        return _text(schema, name)
    return {"boolean": True, "number": 1.5}.get(type_)


def _number(schema: Mapping[str, Any], name: str) -> int:
    found = next((number for ending, number in NUMBERS if name.endswith(ending)), 1)
    least, most = int(schema.get("minimum", 0)), int(schema.get("maximum", 2**63 - 1))
    return max(least, min(found, most))


def _text(schema: Mapping[str, Any], name: str) -> str:
    if schema.get("contentEncoding") == "base64" or schema.get("format") == "binary":
        return "UEsDBA=="
    if "default" in schema and isinstance(schema["default"], str) and schema["default"]:
        return schema["default"]
    if schema.get("description") == CARD_WORDS:
        return REFERENCE
    found = next((text for ending, text in TEXTS if name.endswith(ending)), "text")
    if found == REFERENCE and int(schema.get("maxLength", len(found))) < len(found):
        found = "PAY20260101"  # of a payment
    return found[: int(schema.get("maxLength", len(found)))]


def words_beneath(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The text beneath each field of a struct, those of its bases too; none for one that was made at run time."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if base.__module__.startswith("admin."):
            found |= _words_of_module(base.__module__).get(base.__name__, {})
    return found


@cache
def _words_of_module(name: str) -> dict[str, dict[str, str]]:
    """The texts beneath the fields of all classes of a module, which is parsed once."""
    module = sys.modules[name]
    return {
        one.name: dict(_texts_of(one))
        for one in ast.parse(inspect.getsource(module)).body
        if isinstance(one, ast.ClassDef)
    }


def _texts_of(struct: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(struct.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(text.value.value)


def _structs(of: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    for struct in of.__subclasses__():
        if struct.__module__.startswith("admin."):
            yield struct
        yield from _structs(struct)
