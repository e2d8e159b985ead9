"""Secrets as the database and pages keep them: sealed under the installation's secret, bound to their place.

AES-256-GCM (NIST SP 800-38D): a nonce of 96 random bits, then ciphertext and tag.  The place, say `webhook 7`, is
associated data: what was moved to another row does not open there.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .service import Service

NONCE_BYTES = 12
"""Fewer than 2^32 values under one key keep the chance of a repeated nonce below 2^-32 (SP 800-38D, 8.3)."""


class NotOpenedError(Exception):
    """Sealed bytes that were moved, changed or cut, or sealed under another secret."""


def seal(service: Service, purpose: str, place: str, plain: bytes) -> bytes:
    """Nonce and AES-GCM of some bytes; `purpose` chooses the key."""
    nonce = service.surroundings.random_bytes(NONCE_BYTES)
    return nonce + AESGCM(service.secret_for(purpose)).encrypt(nonce, plain, place.encode())


def unseal(service: Service, purpose: str, place: str, sealed: bytes) -> bytes:
    """The bytes again; `NotOpenedError` when they are not what was sealed for this place."""
    nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(service.secret_for(purpose)).decrypt(nonce, rest, place.encode())
    except (InvalidTag, ValueError):  # the second for something much too short
        raise NotOpenedError from None
