"""What the database keeps of a document: its form as JSON without secrets, requests with a secret in them sealed."""

from __future__ import annotations

from typing import Any

import msgspec

from admin.errors import RefusedError
from admin.forms import Kind as FieldKind
from admin.forms import declared
from admin.models.documents import Document
from admin.sealing import seal, unseal
from admin.service import Service

from .kind import Kind

SECRET_PURPOSE = "documents"


def encode_form(form: msgspec.Struct) -> str:
    """A form as JSON, without its secrets."""
    secrets = {one.name: "" for one in declared(type(form)) if one.entry.kind is FieldKind.SECRET}
    return msgspec.json.encode(msgspec.structs.replace(form, **secrets)).decode()


def decode_form(kind: Kind[Any], document: Document) -> Any:
    """The form of a document; `RefusedError` when this version of the program cannot read it any more."""
    try:
        return msgspec.json.decode(document.form, type=kind.form)
    except msgspec.ValidationError:
        raise RefusedError("This document was made by another version of the program. Make a new one.") from None


def seal_body(service: Service, body: bytes, document_id: int, number: int, purpose: str = SECRET_PURPOSE) -> bytes:
    """A request with a secret in it as the database keeps it, bound to its document and number there."""
    return seal(service, purpose, f"{document_id}/{number}", body)


def open_body(service: Service, sealed: bytes, document_id: int, number: int, purpose: str = SECRET_PURPOSE) -> bytes:
    """The request that was sealed; `admin.sealing.NotOpenedError` when it was moved or changed."""
    return unseal(service, purpose, f"{document_id}/{number}", sealed)
