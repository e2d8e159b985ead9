"""The key house's own list of officers, and what their passkeys have signed: checked here, whatever a database says.

`keys/officers` has each officer's public key, as two of them have compared it, and which signed orders were followed
so far: an old agreement is good once. The file is sealed by the key that seals the keyring. As long as nobody is on
the list, orders are followed as the database has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hsm._files import replace_file
from switch._clock import now_ms

from .key_house import KeyHouse
from .output import CommandError

if TYPE_CHECKING:
    from admin.keys.order import KeyOrder
    from admin.service import Service

FORMAT = 1
FILE_NAME = "officers"
AGREEMENT_LASTS_MS = 7 * 86_400_000
"""An order that was signed longer ago is ordered anew: what two wanted last week they may not want today."""
CLOCK_APART_MS = 300_000
"""The service's clock may be ahead of the key house's by this much."""


class NotSignedError(CommandError):
    """An order waits for a signature."""


class Officer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One officer's passkey, as the key house knows it."""

    user_id: int
    name: str
    credential_id: bytes
    public_key: bytes
    host: str
    origin: str
    enrolled_ms: int


class OrderMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a signed order was followed."""

    made_ms: int
    step: int
    is_finished: bool = False


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says."""

    format: int = FORMAT
    officers: tuple[Officer, ...] = ()
    orders: dict[str, OrderMark] = {}
    """By the challenge of the author's signature, hexadecimal."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    log_key_version: int
    mac: str
    content: msgspec.Raw


class OfficerBook:
    """The list of one key house; changes are on disk when a method returns."""

    def __init__(self, keys: KeyHouse) -> None:
        """Reads the file; `CommandError` when it was altered."""
        self._keys = keys
        self._path: Path = keys.path / FILE_NAME
        self.content = self._read()

    @property
    def officers(self) -> tuple[Officer, ...]:
        """Who may order and agree."""
        return self.content.officers

    def put(self, officer: Officer) -> None:
        """Take an officer on the list; a new passkey takes the place of the one before."""
        others = tuple(one for one in self.officers if one.user_id != officer.user_id)
        self._write(msgspec.structs.replace(self.content, officers=(*others, officer)))

    def reseal(self) -> None:
        """Seal the file by the key that seals the keyring now; without a file there is nothing to seal."""
        if self._path.exists():
            self._write(self.content)

    def remove(self, user_id: int) -> None:
        """Take an officer off the list."""
        left = tuple(one for one in self.officers if one.user_id != user_id)
        if left == self.officers:
            raise CommandError(f"officers: expected somebody who is on the list, got number {user_id}")
        self._write(msgspec.structs.replace(self.content, officers=left))

    def check(self, service: Service, order: KeyOrder) -> tuple[str, str]:
        """Names of the two officers whose passkeys have signed an order, and note that it is followed.

        `NotSignedError` while a signature is missing; `CommandError` for one that is not good.
        """
        from admin.keys.proofs import ProofRole, challenge_of, proofs_of, statement_of
        from admin.models.documents import Document

        with service.database.read() as session:
            document = session.get_one(Document, order.document_id)
            statement, found = statement_of(session, document), proofs_of(session, order.document_id)
            made_ms = int(document.made_at.timestamp() * 1000)
        signers = {ProofRole.AUTHOR: order.author_id, ProofRole.APPROVER: order.approver_id}
        missing = [role for role in signers if role not in found]
        if missing:
            raise NotSignedError(
                f"order {order.document_id}: expected the passkeys of both officers, the {missing[0]}'s is missing;"
                " sign on the order's page"
            )
        if order.author_id == order.approver_id:
            raise CommandError(f"order {order.document_id}: expected two officers, got one twice")
        names = [
            self._signed(role, user_id, challenge_of(statement, role, user_id), found[role].credential)
            for role, user_id in signers.items()
        ]
        age_ms = now_ms() - made_ms
        if not -CLOCK_APART_MS <= age_ms <= AGREEMENT_LASTS_MS:
            raise CommandError(f"order {order.document_id}: expected one of the last seven days; order it anew")
        self._follow(challenge_of(statement, ProofRole.AUTHOR, order.author_id).hex(), made_ms, order)
        return names[0], names[1]

    def finished(self, service: Service, order: KeyOrder) -> None:
        """The order has ended: its signatures are good for nothing more."""
        from admin.keys.proofs import ProofRole, challenge_of, statement_of
        from admin.models.documents import Document

        with service.database.read() as session:
            statement = statement_of(session, session.get_one(Document, order.document_id))
        mark = challenge_of(statement, ProofRole.AUTHOR, order.author_id).hex()
        known = self.content.orders.get(mark)
        if known is not None:
            self._note(mark, msgspec.structs.replace(known, is_finished=True))

    def _signed(self, role: str, user_id: int, challenge: bytes, credential: str) -> str:
        """Name of an officer whose passkey has signed this, with the person in front of it; `CommandError`."""
        from webauthn import verify_authentication_response
        from webauthn.helpers import parse_authentication_credential_json
        from webauthn.helpers.exceptions import WebAuthnException

        officer = next((one for one in self.officers if one.user_id == user_id), None)
        if officer is None:
            raise CommandError(f"the {role}, number {user_id}: expected an officer on the key house's list, got none")
        try:
            parsed = parse_authentication_credential_json(credential)
            if parsed.raw_id != officer.credential_id:
                raise CommandError(f"the {role}, {officer.name}: expected the passkey on the list, got another")
            verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=officer.host,
                expected_origin=officer.origin,
                credential_public_key=officer.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except WebAuthnException:
            raise CommandError(
                f"the {role}, {officer.name}: expected a signature of this very order, got another; order it anew"
            ) from None
        return officer.name

    def _follow(self, mark: str, made_ms: int, order: KeyOrder) -> None:
        known = self.content.orders.get(mark)
        if known is not None and (known.is_finished or order.number < known.step):
            raise CommandError(f"order {order.document_id}: expected one that was not followed before; order it anew")
        self._note(mark, OrderMark(made_ms, order.number))

    def _note(self, mark: str, value: OrderMark) -> None:
        oldest_ms = now_ms() - AGREEMENT_LASTS_MS - CLOCK_APART_MS  # those before are refused for their age
        kept = {name: one for name, one in self.content.orders.items() if one.made_ms >= oldest_ms}
        self._write(msgspec.structs.replace(self.content, orders={**kept, mark: value}))

    def _read(self) -> Content:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return Content()
        try:
            whole = msgspec.json.decode(text, type=_File)
            if not self._keys.keyring.is_sealed(bytes(whole.content), whole.log_key_version, bytes.fromhex(whole.mac)):
                raise ValueError("another seal")
            return msgspec.json.decode(bytes(whole.content), type=Content)
        except (msgspec.DecodeError, ValueError):
            raise CommandError(
                f"{self._path}: expected the list of officers that this key house has sealed, got something else;"
                " put back its copy"
            ) from None

    def _write(self, content: Content) -> None:
        raw = msgspec.json.encode(content)
        version, mac = self._keys.keyring.seal(raw)
        replace_file(self._path, msgspec.json.encode(_File(version, mac.hex(), msgspec.Raw(raw))) + b"\n")
        self.content = content
