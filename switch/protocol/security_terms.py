"""Words of keys and anti-copy: media and what proves them, keys and their states, alarms."""

from __future__ import annotations

import enum


class MediumKind(enum.IntEnum):
    """What a card number came from, and so what can prove that it is no copy."""

    NUMBER = 0
    """Keyed in, or read from a printed bar code: identifies, and proves nothing."""
    CHIP = 1
    """Contact or contactless chip with a cryptogram for each transaction."""
    CODE = 2
    """Dynamic bar code: valid for a minute, used once."""
    STRIPE = 3
    """Magnetic stripe with a check value, and a counter that is rewritten."""
    TAG = 4
    """NTAG 424 tag: its secure unique message counts up; good for identification and small amounts."""


class MediumState(enum.IntEnum):
    """State of one enrolled medium; a revoked one never comes back."""

    ACTIVE = 1
    REVOKED = 2


class MediumFlag(enum.IntFlag):
    """Facts about an enrolled medium."""

    STORED_KEY = 1
    """Its key is random and kept wrapped in a card key record, not derived from the issuer's master key."""


class EvidenceFlag(enum.IntFlag):
    """Facts about one reading of a medium."""

    CONTACTLESS = 1
    """The chip was read without contact."""
    FALLBACK = 2
    """The stripe was read because the card's chip failed twice."""
    CAN_WRITE = 4
    """The terminal can rewrite the stripe, and will."""
    OFFLINE = 8
    """The cryptogram was made while the terminal was cut off, and comes late."""


class EvidenceOutcome(enum.IntEnum):
    """What the check of a medium's proof found; the switch fills it in before it decides."""

    NOT_CHECKED = 0
    """No key of the purpose is loaded at all, or the bytes cannot be evidence of this kind."""
    GENUINE = 1
    WRONG = 2
    """The proof does not fit."""
    MEDIUM_UNKNOWN = 3
    """No medium of this kind and number is enrolled."""
    KEY_MISSING = 4
    """The key version that it names is not loaded."""
    STALE = 5
    """A code of another time: no number within CODE_WINDOW fits its two digits."""
    CHALLENGE = 6
    """A cryptogram for another session's challenge."""


class ReferReason(enum.IntEnum):
    """Why a PIN is asked for: `detail` of REFER."""

    COUNTER = 1
    """The chip's counter jumped."""
    VELOCITY = 2
    """Used too often in 10 or 60 minutes."""
    TRAVEL = 3
    """Used in another store sooner than anybody can travel."""
    AMOUNT = 4
    """Above what the medium pays without a PIN."""
    FAILURES = 5
    """Wrong proofs within the hour."""


class PolicyFlag(enum.IntFlag):
    """Choices of a card type's media policy."""

    REQUIRED = 1
    """A number alone does not pay: each payment needs a medium's proof."""


class KeyPurpose(enum.IntEnum):
    """What a key of the issuer is for."""

    STORAGE = 1
    """Wraps terminals' keys and stored card keys (AES-256, RFC 3394)."""
    PIN = 2
    """Seals the hashes of PINs (AES-256)."""
    RECEIPT = 3
    """Makes receipt codes (AES-128 CMAC)."""
    CHIP = 4
    """Master of the chips' keys (AES-128, AN10922)."""
    CODE = 5
    """Master of the dynamic codes' keys (AES-128, AN10922)."""
    JITTER = 6
    """Master of the stripes' counters (AES-128, AN10922)."""
    STRIPE = 7
    """Check values of stripes (two-key TDES CVV)."""
    TAG = 8
    """Master of the NTAG 424 tags' keys (AES-128, AN10922): each tag's own, and the one that opens PICC data."""


class KeyState(enum.IntEnum):
    """Where a version of a key is in its life."""

    NEW = 1
    """Loaded by the switch; nothing is made with it yet, and what is made with it is accepted already."""
    ACTIVE = 2
    """New media and new values are made with it; one version of a purpose at most."""
    VERIFY_ONLY = 3
    """What was made with it still passes."""
    RETIRED = 4
    """Nothing made with it passes any more. No way back: the keyring gives it out no more."""
    DESTROYED = 5
    """The key is gone; for good."""


class AlarmKind(enum.IntEnum):
    """What an alarm is about."""

    CLONE = 1
    """Two media with one identity: the card was frozen."""
    CODE_REPLAY = 2
    """A code or tag message was shown again at another terminal."""
    ENUMERATION = 3
    """A terminal sent too many wrong proofs: the terminal was quarantined."""
    TRAVEL = 4
    """A card was used in two stores sooner than anybody can travel."""


class AlarmState(enum.IntEnum):
    """Where an alarm is in its life."""

    NEW = 1
    ACKNOWLEDGED = 2
    CLEARED = 3
    CONFIRMED = 4
