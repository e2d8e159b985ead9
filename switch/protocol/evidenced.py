"""Requests that evidence may follow: how it is put behind a body, and found there again."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from .layout import LayoutError, Packed
from .security import EVIDENCE_BYTES, Evidence


class EvidencedRequest(Packed, kw_only=True):
    """A request of fixed length that evidence may follow."""

    trailing: ClassVar[tuple[str, ...]] = ("evidence",)

    def encode(self) -> bytes:
        """Fixed part, and the evidence if there is some."""
        return Packed.encode(self) + encode_evidence(self)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Request from its bytes; `LayoutError` when the length is neither with nor without evidence."""
        fixed_bytes = cls.width_bytes()
        if len(body) not in (fixed_bytes, fixed_bytes + EVIDENCE_BYTES):
            raise LayoutError(f"{cls.__name__} length", 0, fixed_bytes, len(body), "send the body, or it and evidence")
        return cls(**(cls._fixed_fields(body) | {"evidence": decode_evidence(body[fixed_bytes:])}))


def encode_evidence(request: Any) -> bytes:
    """Bytes of a request's evidence, none if it has none."""
    return b"" if request.evidence is None else Evidence.encode(request.evidence)


def decode_evidence(rest: bytes | bytearray | memoryview) -> Evidence | None:
    """What follows a body: evidence, or nothing."""
    return Evidence.decode(rest) if len(rest) else None
