"""Passkeys (WebAuthn level 2): registering, signing on and stepping up with a key in a device.

The device checks who holds it (user verification is required), so a passkey counts as password and dynamic password
in one.  A challenge is good once, for one purpose and, except for signing on, one user.  A sign count that does not
grow tells of a copied key; devices that do not count always say 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from admin.access import Visitor, is_stepped_up
from admin.audit import Actor
from admin.errors import RefusedError
from admin.models.interfaces import Passkey, PasskeyChallenge
from admin.models.people import User, UserSession
from admin.service import Service
from admin.settings import Settings

from .sign_in import MODULE, begin_session, step_up_end

CHALLENGE_BYTES = 32
CHALLENGE_LASTS = timedelta(minutes=5)
PASSKEYS_MAX = 10
NAME_LENGTH_MAX = 80
CREDENTIAL_LENGTH_MAX = 20_000
"""Characters of what a browser sends; an answer without attestation has some hundreds."""
REGISTER, SIGN_IN, STEP_UP = "register", "sign-in", "step-up"
ISSUER = "cardswitch"


@dataclass(frozen=True, slots=True)
class Site:
    """What a passkey is bound to: the name of the host, and the address that the browser shows."""

    host: str
    origin: str


def site_of(settings: Settings) -> Site:
    """The site of an installation; browsers allow passkeys by HTTPS, and on `localhost` without."""
    address = settings.public_address.rstrip("/") or f"http://localhost:{settings.listen_port}"
    parts = urlsplit(address)
    return Site(parts.hostname or "localhost", f"{parts.scheme}://{parts.netloc}")


def begin_registration(service: Service, visitor: Visitor) -> str:
    """What the browser asks the device, as JSON; whoever has a second factor gives it first."""
    if (visitor.has_totp or visitor.has_passkey) and not is_stepped_up(visitor, service.now()):
        raise RefusedError("Give a fresh dynamic password, or use a passkey, before you add another.")
    site = site_of(service.settings)
    with service.database.write() as session:
        known = list(session.scalars(select(Passkey.credential_id).where(Passkey.user_id == visitor.user_id)))
        if len(known) >= PASSKEYS_MAX:
            raise RefusedError("{count} passkeys are enough; remove one that you do not use.", count=PASSKEYS_MAX)
        challenge = _new_challenge(service, session, REGISTER, visitor.user_id)
    options = generate_registration_options(
        rp_id=site.host,
        rp_name=ISSUER,
        user_name=visitor.name,
        user_id=visitor.user_id.to_bytes(8, "big"),
        user_display_name=visitor.full_name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
    )
    return options_to_json(options)


def finish_registration(service: Service, visitor: Visitor, name: str, credential: str) -> None:
    """Keep a key that has signed the challenge."""
    site, name = site_of(service.settings), name.strip()[:NAME_LENGTH_MAX] or "passkey"
    challenge = _challenge_in(credential)
    with service.database.write() as session:
        _take_challenge(service, session, challenge, REGISTER, visitor.user_id)
        try:
            verified = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                require_user_verification=True,
            )
        except WebAuthnException:
            raise RefusedError("The passkey could not be checked. Try again from this page.") from None
        known = select(Passkey.id).where(Passkey.credential_id == verified.credential_id)
        if session.scalar(known) is not None:
            raise RefusedError("This passkey is registered already.")
        row = Passkey(
            user_id=visitor.user_id,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            name=name,
            created_at=service.now(),
        )
        session.add(row)
        session.flush()
        service.audit.append(session, visitor, MODULE, "add passkey", f"user {visitor.user_id}", name=name)


def begin_use(service: Service, visitor: Visitor | None) -> str:
    """What the browser asks the device, as JSON: any key of this site to sign on, one of the visitor's to step up."""
    with service.database.write() as session:
        session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.ends_at <= service.now()))
        keys = (
            list(session.scalars(select(Passkey.credential_id).where(Passkey.user_id == visitor.user_id)))
            if visitor
            else []
        )
        if visitor and not keys:
            raise RefusedError("You have no passkey yet; add one on your own page.")
        challenge = _new_challenge(service, session, STEP_UP if visitor else SIGN_IN, visitor.user_id if visitor else 0)
    options = generate_authentication_options(
        rp_id=site_of(service.settings).host,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in keys] or None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def sign_in_with_passkey(service: Service, credential: str, address: str) -> str:
    """Token of a new session, which is stepped up; `RefusedError` when the key opens nothing."""
    with service.database.write() as session:
        user = _use(service, session, credential, SIGN_IN, None, Actor(0, "", address))
        if user is not None:
            now = service.now()
            if user.locked_until is not None and now < user.locked_until:
                user = None
        if user is not None:
            user.failures, user.locked_until, user.last_login_at = 0, None, service.now()
            token = begin_session(service, session, user, address, is_stepped_up=True)
            actor = Actor(user.id, user.name, address)
            service.audit.append(session, actor, MODULE, "sign-in", by="passkey")
            return token
    raise RefusedError("This passkey does not open the service. Sign on with your password.")


def step_up_with_passkey(service: Service, visitor: Visitor, credential: str) -> None:
    """Open for some minutes what demands a fresh dynamic password."""
    with service.database.write() as session:
        user = _use(service, session, credential, STEP_UP, visitor.user_id, visitor)
        if user is not None:
            session.execute(
                update(UserSession)
                .where(UserSession.token_hash == visitor.session_hash)
                .values(stepped_up_until=step_up_end(service))
            )
            service.audit.append(session, visitor, MODULE, "step-up", by="passkey")
            return
    raise RefusedError("The passkey could not be checked. Try again from this page.")


def passkeys_of(session: Session, user_id: int) -> list[Passkey]:
    """Passkeys of a user, oldest first."""
    return list(session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id)))


def remove_passkey(service: Service, visitor: Visitor, passkey_id: int) -> None:
    """Take a passkey of one's own away."""
    with service.database.write() as session:
        row = session.scalar(select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == visitor.user_id))
        if row is None:
            raise RefusedError("There is no such passkey.")
        session.delete(row)
        service.audit.append(session, visitor, MODULE, "remove passkey", f"user {visitor.user_id}", name=row.name)


def _use(
    service: Service, session: Session, credential: str, purpose: str, user_id: int | None, actor: Actor | Visitor
) -> User | None:
    """The user whose key has signed; None, with a row in the audit log, when it is not good."""
    site, reason = site_of(service.settings), "unknown"
    try:
        challenge = _challenge_in(credential)
        _take_challenge(service, session, challenge, purpose, user_id or 0)
        parsed = parse_authentication_credential_json(credential)
        row = session.scalar(select(Passkey).where(Passkey.credential_id == parsed.raw_id).with_for_update())
        user = session.get(User, row.user_id) if row else None
        if row is not None and user is not None and user.is_enabled and user_id in (None, user.id):
            verified = verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
            row.sign_count, row.used_at = verified.new_sign_count, service.now()
            return user
    except WebAuthnException as error:
        reason = type(error).__name__
    except RefusedError as error:
        reason = error.message
    service.audit.append(session, actor, MODULE, purpose, outcome="refused", by="passkey", reason=reason)
    return None


def _new_challenge(service: Service, session: Session, purpose: str, user_id: int) -> bytes:
    challenge = service.surroundings.random_bytes(CHALLENGE_BYTES)
    ends_at = service.now() + CHALLENGE_LASTS
    session.add(PasskeyChallenge(challenge=challenge, purpose=purpose, user_id=user_id, ends_at=ends_at))
    return challenge


def _take_challenge(service: Service, session: Session, challenge: bytes, purpose: str, user_id: int) -> None:
    taken = session.execute(
        delete(PasskeyChallenge).where(
            PasskeyChallenge.challenge == challenge,
            PasskeyChallenge.purpose == purpose,
            PasskeyChallenge.user_id == user_id,
            PasskeyChallenge.ends_at > service.now(),
        )
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]  # a DELETE gives a CursorResult
        raise RefusedError("This took too long, or was used already. Try again from this page.")


def _challenge_in(credential: str) -> bytes:
    """The challenge that a credential says it has signed; whether it has, the verification tells."""
    if len(credential) > CREDENTIAL_LENGTH_MAX:
        raise RefusedError("The passkey could not be checked. Try again from this page.")
    try:
        client_data = msgspec.json.decode(credential)["response"]["clientDataJSON"]
        return bytes(parse_client_data_json(base64url_to_bytes(client_data)).challenge)
    except (WebAuthnException, msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError):
        raise RefusedError("The passkey could not be checked. Try again from this page.") from None
