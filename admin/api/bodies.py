"""Forms as bodies: what a page asks for in fields, a program sends as JSON, and the same struct checks both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException
from litestar.params import JSONBody

from admin.access import Visitor
from admin.forms import CARD_DIGITS, FormContext, check, declared, fields_of
from admin.forms import Kind as FieldKind
from admin.i18n import translate
from admin.references import References

from .describing import CARD_WORDS
from .handlers import ApiHandler, Option, api_get

F = TypeVar("F", bound=msgspec.Struct)
CardName = Annotated[str, msgspec.Meta(max_length=40, description=CARD_WORDS)]


class FormField(msgspec.Struct):
    """One field of a form, as the visitor may fill it in."""

    name: str
    label: str
    """In the language of the request."""
    hint: str
    kind: str
    """What a person types: text, area, integer, money, points, percent, date, minute, choice, flags, check, card, …"""
    is_required: bool
    choices: list[Option]
    """Of a choice: each value and its label. Of flags: bits, to be added up."""


class FormFields(msgspec.Struct):
    """The fields of a form in their order; bounds and types are those of the body in this description."""

    fields: list[FormField]


def body_of(
    form_type: type[msgspec.Struct], name: str, description: str = "", more: Sequence[tuple[Any, ...]] = ()
) -> type[msgspec.Struct]:
    """A form as programs send it: cards by reference, since they see masked numbers; `more` are fields besides."""
    fields: list[Any] = list(more)
    for one in declared(form_type):
        type_: Any = CardName if one.entry.kind is FieldKind.CARD else Annotated[one.type, _meta(one.meta, one)]
        is_nothing_allowed = not one.is_required and one.default is None
        if one.is_required:
            fields.append((one.name, type_))
        elif one.entry.kind is FieldKind.CARD:
            fields.append((one.name, type_, ""))
        else:
            fields.append((one.name, type_ | None if is_nothing_allowed else type_, one.default))
    return msgspec.defstruct(
        name,
        fields,
        namespace={"__doc__": description or form_type.__doc__},
        kw_only=True,
        forbid_unknown_fields=True,
    )


def _meta(meta: msgspec.Meta, one: Any) -> msgspec.Meta:
    """Bounds of a field as a program may send it: an empty text is nothing, whatever form another must have."""
    if meta.pattern is None or one.is_required:
        return meta
    return msgspec.Meta(
        title=meta.title, description=meta.description, max_length=meta.max_length, pattern=f"{meta.pattern}|^$"
    )


def answer_of(form_type: type[msgspec.Struct], name: str) -> type[msgspec.Struct]:
    """A form as an answer: what is there may be beyond the bounds of what may be typed."""
    fields = [
        (one.name, one.type if one.is_required or one.default is not None else one.type | None)
        for one in declared(form_type)
    ]
    return msgspec.defstruct(name, fields, namespace={"__doc__": form_type.__doc__}, kw_only=True)


def form_of(form_type: type[F], body: msgspec.Struct, references: References) -> F:
    """The form that a body means; what does not fit it is told by field."""
    values = {one.name: getattr(body, one.name) for one in declared(form_type)}
    for one in declared(form_type):
        if one.entry.kind is FieldKind.CARD and isinstance(text := values[one.name], str):
            digits = text.replace(" ", "")
            number = int(digits) if CARD_DIGITS.fullmatch(digits) else references.read(text)
            if number is None and (text or one.is_required):
                raise invalid(one.name, f"Expected a reference or a whole card number, got {text[:8]!r}…")
            values[one.name] = number or one.default or 0
    defaults = {one.name: one.default for one in declared(form_type) if not one.is_required}
    # A default need not fit the bounds of what is typed: an empty text is no date.
    sent = {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}
    try:
        return msgspec.convert(sent, form_type)
    except msgspec.ValidationError as error:
        raise invalid("body", str(error)) from None


def checked(request: Request[Visitor, Any, Any], form_type: type[F], body: msgspec.Struct) -> F:
    """The form that a body means, checked as the page checks it; all faults at once."""
    form = form_of(form_type, body, request.app.state.references)
    with request.app.state.service.database.read() as session:
        bound = check(form, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        raise ValidationException(extra=[{"key": name, "message": text} for name, text in bound.errors.items()])
    return form


def invalid(field: str, message: str) -> ValidationException:
    """What is wrong with one field."""
    return ValidationException(extra=[{"key": field, "message": message}])


_JSON: Any = JSONBody


def takes(handler: ApiHandler, function: Callable[..., Any], body: type[msgspec.Struct]) -> Any:
    """A handler whose `data` is a body that was made from a form."""
    function.__annotations__["data"] = _JSON[body]
    return handler(function)


def form_fields(form_type: type[msgspec.Struct], context: FormContext) -> FormFields:
    """What may be filled in, with the choices that the visitor has."""
    return FormFields(
        [
            FormField(
                name=one.name,
                label=translate(one.label),
                hint=translate(one.hint) if one.hint else "",
                kind=one.kind,
                is_required=one.is_required,
                choices=[Option(value, label) for value, label, _is_chosen in one.choices],
            )
            for one in fields_of(form_type, context)
        ]
    )


def form_handler(
    path: str, form_type: type[msgspec.Struct], *, guards: Any, tag: str, pages: tuple[str, ...]
) -> ApiHandler:
    """GET of a form's fields, for programs that draw it or need its choices."""

    def get_form(request: Request[Visitor, Any, Any]) -> FormFields:
        with request.app.state.service.database.read() as session:
            return form_fields(form_type, FormContext(session, request.user, request.app.state.references))

    get_form.__name__ = "get_form_of_" + path.removeprefix("/api/v1/").removesuffix("/form").replace("/", "_").replace(
        "-", "_"
    )
    get_form.__doc__ = f"Fields and choices: {(form_type.__doc__ or '').strip()}"
    made: ApiHandler = api_get(path, guards=guards, tag=tag, pages=pages)(get_form)
    return made
