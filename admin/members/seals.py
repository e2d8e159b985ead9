"""What must not be read out of a stolen database: ID numbers, telephone numbers, e-mail addresses.

Each value is sealed with AES-256-GCM (NIST SP 800-38D) under a key made from
the service's secret, and bound to its place (table, column, row), so that no
value can be moved to another row.  To find it again there are blind indexes:
truncated HMAC-SHA-256 of the whole value and of its last four digits.  The
last four of a telephone number are shown to everybody anyway.
"""

from __future__ import annotations

import hashlib
import hmac

from admin.errors import RefusedError
from admin.sealing import NotOpenedError, seal, unseal
from admin.service import Service

FORMAT = b"\x01"
"""Tells which key and cipher: AES-256-GCM under the secret for `PURPOSE`."""
BLIND_BYTES = 12
"""96 bits: a million values do not collide, and a match is only ever a row to look at."""
PURPOSE = "members"
SEAL_PURPOSE = f"{PURPOSE} seal"


class Vault:
    """Seals and opens values, and makes blind indexes, for one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._blind_key = service.secret_for(f"{PURPOSE} blind index")

    def seal(self, table: str, column: str, row: str, content: str | bytes) -> bytes:
        """A value that can be opened in this place only."""
        plain = content.encode() if isinstance(content, str) else content
        return FORMAT + seal(self._service, SEAL_PURPOSE, _place(table, column, row), plain)

    def open_bytes(self, table: str, column: str, row: str, sealed: bytes) -> bytes:
        """The value again; `RefusedError` when the service's secret was replaced or the row was tampered with."""
        start = len(FORMAT)
        try:
            if sealed[:start] != FORMAT:
                raise NotOpenedError
            return unseal(self._service, SEAL_PURPOSE, _place(table, column, row), sealed[start:])
        except NotOpenedError:
            raise RefusedError(
                "A sealed value cannot be read: restore the service's secret (secret.key), or enter the value anew."
            ) from None

    def open(self, table: str, column: str, row: str, sealed: bytes) -> str:
        """The text again."""
        return self.open_bytes(table, column, row, sealed).decode()

    def blind(self, kind: bytes, text: str) -> bytes:
        """What a value of a kind is found by; without the secret nobody can try values out."""
        return hmac.new(self._blind_key, kind + b"\0" + text.encode(), hashlib.sha256).digest()[:BLIND_BYTES]

    def id_number(self, member_id: int, sealed: bytes) -> str:
        """The ID number of a member."""
        return self.open("members", "id_sealed", str(member_id), sealed)

    def seal_id_number(self, member_id: int, text: str) -> bytes:
        """As `members.id_sealed` keeps it."""
        return self.seal("members", "id_sealed", str(member_id), text)

    def contact(self, member_id: int, place: int, sealed: bytes) -> str:
        """A telephone number or an address of a member."""
        return self.open("member_contacts", "value_sealed", f"{member_id}/{place}", sealed)

    def seal_contact(self, member_id: int, place: int, text: str) -> bytes:
        """As `member_contacts.value_sealed` keeps it."""
        return self.seal("member_contacts", "value_sealed", f"{member_id}/{place}", text)

    def __repr__(self) -> str:
        return "Vault()"


def _place(table: str, column: str, row: str) -> str:
    return f"{table}/{column}/{row}"
