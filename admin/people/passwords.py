"""Passwords and dynamic passwords (TOTP, RFC 6238): hashes, seals, and codes that are good once."""

from __future__ import annotations

import base64
from functools import cache

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from admin.errors import RefusedError
from admin.sealing import NotOpenedError, seal, unseal
from admin.service import Service

PASSWORD_LENGTH_MIN = 10
"""NIST SP 800-63B asks for 8 or more and for no rules of composition; this guards money."""
PASSWORD_LENGTH_MAX = 200
"""argon2 reads all of it; nobody may make it read megabytes."""
TOTP_SECRET_BYTES = 20
"""160 bits, as RFC 4226 recommends."""
TOTP_STEP_S = 30
TOTP_STEPS_AROUND = 1
"""One step before and one behind: a phone's clock may be half a minute off."""
TOTP_PURPOSE, TOTP_SET_UP_PURPOSE = "totp", "totp set-up"


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # argon2id with the library's parameters (RFC 9106, low memory), 64 MB


def hash_password(password: str) -> str:
    """Hash with its parameters and salt; `RefusedError` when the password is too short or too long."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise RefusedError(
            "A password has {least} to {most} characters.", least=PASSWORD_LENGTH_MIN, most=PASSWORD_LENGTH_MAX
        )
    return _hasher().hash(password)


def is_password(password_hash: str, password: str) -> bool:
    """Whether this is the password; takes the same time for a hash of nobody."""
    try:
        return _hasher().verify(password_hash or hash_of_nobody(), password[:PASSWORD_LENGTH_MAX]) and bool(
            password_hash
        )
    except (VerificationError, InvalidHashError):
        return False


@cache
def hash_of_nobody() -> str:
    """What is compared with when there is no such user, so that the time does not tell."""
    return _hasher().hash("there is no such user")


def new_totp_secret(random: bytes) -> str:
    """Secret in base 32, as authenticator apps take it."""
    return base64.b32encode(random[:TOTP_SECRET_BYTES]).decode()


def totp_address(secret: str, user_name: str) -> str:
    """`otpauth://` address to show as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=user_name, issuer_name="cardswitch")


def totp_code(secret: str, now_s: int) -> str:
    """The code of a moment."""
    return pyotp.TOTP(secret).at(for_time=now_s)


def step_of_code(secret: str, code: str, now_s: int, last_step: int) -> int | None:
    """Step that a code belongs to, if it is around now and later than the last one accepted; else None."""
    totp, now_step = pyotp.TOTP(secret), now_s // TOTP_STEP_S
    for step in range(now_step - TOTP_STEPS_AROUND, now_step + TOTP_STEPS_AROUND + 1):
        if step > last_step and pyotp.utils.strings_equal(code.strip(), totp.at(for_time=step * TOTP_STEP_S)):
            return step
    return None


def seal_totp(service: Service, purpose: str, secret: str, user_id: int) -> bytes:
    """A TOTP secret under the service's key, bound to its user; `purpose`: TOTP_PURPOSE or TOTP_SET_UP_PURPOSE."""
    return seal(service, purpose, f"totp {user_id}", secret.encode())


def unseal_totp(service: Service, purpose: str, sealed: bytes, user_id: int) -> str:
    """The secret again; `RefusedError` when the service's secret was replaced."""
    try:
        return unseal(service, purpose, f"totp {user_id}", sealed).decode()
    except NotOpenedError:
        raise RefusedError(
            "The dynamic password cannot be read: set it up anew, or restore the service's secret."
        ) from None
