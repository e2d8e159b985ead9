"""Why the switch refused a request, in words: the state of the card, or the field that is at fault."""

from __future__ import annotations

import msgspec

from admin.forms import declared
from admin.i18n import translate
from admin.words import STATUSES, code_name
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import REQUESTS, MessageType

BY_OFFSET = (ResponseCode.FIELD_INVALID, ResponseCode.TYPE_FROZEN)
"""Their detail is the offset of a field in the request."""


def answer_text(type_: int, code: int, detail: int, form: type[msgspec.Struct] | None = None) -> str:
    """An answer in the visitor's language, with what its detail tells."""
    text = translate(code_name(code))
    if code == ResponseCode.CARD_STATUS and detail in STATUSES:
        return f"{text}: {translate(STATUSES[detail])}"
    if code in BY_OFFSET and (name := _field_at(type_, detail)):
        return f"{text}: {_label(name, form)}"
    return text


def _field_at(type_: int, offset: int) -> str:
    for field in layout_of(REQUESTS[MessageType(type_)]).fields:
        if field.offset <= offset < field.offset + field.wire.width_bytes:
            return field.name
    return ""


def _label(name: str, form: type[msgspec.Struct] | None) -> str:
    """What the field is called in the form; its own name where the form has none of that name."""
    labels = {one.name: one.meta.title for one in declared(form)} if form is not None else {}
    if name == "flags":
        name = next((other for other in labels if other.endswith("flags")), name)
    title = labels.get(name)
    return translate(title) if title else name
