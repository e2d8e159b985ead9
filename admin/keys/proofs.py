"""Proofs of agreement that the key house checks by itself: each officer's passkey signs what the order says.

The statement is made anew from the rows that the key house would follow, so nothing of an order can be changed after
it was signed; and it is checked against keys that the key house has on a list of its own, so whoever writes this
service's database can add no agreement.  What is kept here is the device's answer, as WebAuthn has it.
"""

from __future__ import annotations

import enum
import hashlib

from sqlalchemy import select
from sqlalchemy.orm import Session
from webauthn import generate_authentication_options, options_to_json, verify_authentication_response
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

from admin.access import Visitor
from admin.documents.ceremony_kinds import CEREMONY
from admin.documents.key_kinds import KEY_DESK
from admin.documents.registry import KINDS
from admin.errors import RefusedError
from admin.models.ceremonies import KeyOrderProof
from admin.models.documents import Document, DocumentState, DocumentStep
from admin.models.interfaces import Passkey
from admin.people.passkeys import CREDENTIAL_LENGTH_MAX, passkeys_of, site_of
from admin.service import Service
from switch.protocol.messages import MessageType

DOMAIN = b"cardswitch:key-order:1\0"
"""Stands before what is signed, so that an answer to another question is never one to this."""
FINGERPRINT_DIGITS = 20
WORKERS = (KEY_DESK, CEREMONY)
SIGNED_IN = (DocumentState.SUBMITTED, DocumentState.RUNNING)
MODULE = "keys"


class ProofRole(enum.StrEnum):
    """In which office somebody signs an order."""

    AUTHOR = "author"
    APPROVER = "approver"


def fingerprint(public_key: bytes) -> str:
    """What officers compare when the key house takes a passkey on its list: 80 bits, in groups of four digits."""
    digits = hashlib.sha256(public_key).hexdigest()[:FINGERPRINT_DIGITS].upper()
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def statement_of(session: Session, document: Document) -> str:
    """What an order says, in lines: its number and moment, what was filled in, and every step to its last byte."""
    steps = session.scalars(
        select(DocumentStep).where(DocumentStep.document_id == document.id).order_by(DocumentStep.number)
    )
    made_ms = int(document.made_at.timestamp() * 1000)
    return "\n".join(
        [
            f"order {document.id} made {made_ms} by {document.maker_id}",
            f"{document.kind} {document.form}",
            *(f"{step.number} {MessageType(step.type).name} {step.body.hex()}" for step in steps),
        ]
    )


def challenge_of(statement: str, role: ProofRole, user_id: int) -> bytes:
    """What the device signs."""
    return hashlib.sha256(DOMAIN + f"{role} {user_id}\n{statement}".encode()).digest()


def proofs_of(session: Session, document_id: int) -> dict[ProofRole, KeyOrderProof]:
    """What was signed of an order."""
    query = select(KeyOrderProof).where(KeyOrderProof.document_id == document_id)
    return {ProofRole(row.role): row for row in session.scalars(query)}


def role_in(visitor: Visitor, document: Document) -> ProofRole | None:
    """In which office the visitor signs an order; None: in none, or there is nothing to sign."""
    if document.kind not in KINDS or KINDS[document.kind].worker not in WORKERS or document.state not in SIGNED_IN:
        return None
    if visitor.user_id == document.maker_id:
        return ProofRole.AUTHOR
    return ProofRole.APPROVER if visitor.user_id == document.checker_id else None


def begin_proof(service: Service, visitor: Visitor, document_id: int) -> str:
    """What the browser asks the device, as JSON."""
    with service.database.read() as session:
        document, role = _to_sign(session, visitor, document_id)
        keys = [row.credential_id for row in passkeys_of(session, visitor.user_id)]
        challenge = challenge_of(statement_of(session, document), role, visitor.user_id)
    if not keys:
        raise RefusedError("You have no passkey yet; add one on your own page.")
    options = generate_authentication_options(
        rp_id=site_of(service.settings).host,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in keys],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def finish_proof(service: Service, visitor: Visitor, document_id: int, credential: str) -> None:
    """Keep what the device has signed, for the key house; a wrong answer is told at once."""
    site = site_of(service.settings)
    with service.database.write() as session:
        document, role = _to_sign(session, visitor, document_id)
        try:
            if len(credential) > CREDENTIAL_LENGTH_MAX:
                raise RefusedError("The passkey could not be checked. Try again from this page.")
            parsed = parse_authentication_credential_json(credential)
            row = session.scalar(
                select(Passkey).where(Passkey.credential_id == parsed.raw_id, Passkey.user_id == visitor.user_id)
            )
            if row is None:
                raise RefusedError("There is no such passkey.")
            verified = verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge_of(statement_of(session, document), role, visitor.user_id),
                expected_rp_id=site.host,
                expected_origin=site.origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except WebAuthnException:
            raise RefusedError("The passkey could not be checked. Try again from this page.") from None
        row.sign_count, row.used_at = verified.new_sign_count, service.now()
        kept = KeyOrderProof(
            document_id=document_id,
            role=str(role),
            user_id=visitor.user_id,
            credential=credential,
            signed_at=service.now(),
        )
        session.merge(kept)
        service.audit.append(session, visitor, MODULE, "sign order", f"document {document_id}", office=str(role))


def _to_sign(session: Session, visitor: Visitor, document_id: int) -> tuple[Document, ProofRole]:
    document = session.get(Document, document_id)
    role = role_in(visitor, document) if document is not None else None
    if document is None or role is None:
        raise RefusedError("Only who ordered it and who agreed to it sign an order, while it is open.")
    return document, role
