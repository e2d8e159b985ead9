"""What issuer master keys are for, the states they pass through, and the entry that the keyring keeps of each."""

from enum import IntEnum, StrEnum

import msgspec

from hsm.backend import WrappedKey
from hsm.keyring_errors import KeyStateError

KEY_VERSION_MAX = 255  # one byte on cards


class Purpose(IntEnum):
    """What an issuer master key is for; numbers are kept in files and must not change."""

    STORAGE = 1
    """Encrypts keys of terminals and cards where they are stored (AES-256)."""
    PIN = 2
    """Seals the hashes of PINs (AES-256)."""
    RECEIPT = 3
    """Codes on receipts (AES-128 CMAC)."""
    CHIP = 4
    """Master of the AC keys of ICs (AES-128)."""
    CODE = 5
    """Master of the dynamic codes' keys (AES-128)."""
    JITTER = 6
    """Master of the stripe ticket keys (AES-128)."""
    STRIPE = 7
    """CVK pair A|B of the stripes' CVV (two TDES keys of 8 bytes)."""
    TAG = 8
    """Master of the NTAG 424 tags' keys (AES-128)."""
    KBPK = 9
    """TR-31 transport key agreed with a partner (AES-256)."""


KEY_BYTES = dict.fromkeys(Purpose, 16) | {Purpose.STORAGE: 32, Purpose.PIN: 32, Purpose.KBPK: 32}


class KeyState(StrEnum):
    """How far a key is in its life."""

    NEW = "NEW"
    """Made; switches may load it, so that all know it before the first card has it. Nothing is issued under it."""
    ACTIVE = "ACTIVE"
    """New cards and values are made with it. At most one per purpose (KBPK: per partner)."""
    VERIFY_ONLY = "VERIFY_ONLY"
    """What was made with it goes on working; nothing new is."""
    RETIRED = "RETIRED"
    """Works no more; kept for disputes. No way back."""
    DESTROYED = "DESTROYED"
    """The key is gone; the entry remains, so that its version is never used again."""


class KeyAct(StrEnum):
    """What two people can do to a key."""

    ADD = "ADD"
    ACTIVATE = "ACTIVATE"
    WITHDRAW = "WITHDRAW"
    RETIRE = "RETIRE"
    DESTROY = "DESTROY"
    REWRAP = "REWRAP"
    EXPORT = "EXPORT"
    REPAIR_LOG = "REPAIR_LOG"
    GENERATE_KEK = "GENERATE_KEK"
    DESTROY_KEK = "DESTROY_KEK"
    GENERATE_SIGN = "GENERATE_SIGN"
    ACTIVATE_SIGN = "ACTIVATE_SIGN"
    """The signing key before has signed it."""
    DESTROY_SIGN = "DESTROY_SIGN"
    GENERATE_LOG = "GENERATE_LOG"
    ACTIVATE_LOG = "ACTIVATE_LOG"
    """Lines behind this one are sealed by that LOG key."""
    LINK_LOG = "LINK_LOG"
    """First line under a LOG key, when nothing else is to be done."""
    DESTROY_LOG = "DESTROY_LOG"
    RESEAL = "RESEAL"
    """The keystore, under another secret."""
    ENROL_OFFICER = "ENROL_OFFICER"
    DISMISS_OFFICER = "DISMISS_OFFICER"
    """Of the key house's list of those who may order and agree; `version` is the person's number."""


TRANSITIONS: dict[tuple[KeyState, KeyAct], KeyState] = {
    # The one that was ACTIVE becomes VERIFY_ONLY in the same step.
    (KeyState.NEW, KeyAct.ACTIVATE): KeyState.ACTIVE,
    # Roll back: the newer one becomes VERIFY_ONLY, not NEW, since cards may have been issued under it.
    (KeyState.VERIFY_ONLY, KeyAct.ACTIVATE): KeyState.ACTIVE,
    # Without a successor: issuing stops.
    (KeyState.ACTIVE, KeyAct.WITHDRAW): KeyState.VERIFY_ONLY,
    # Made, never used.
    (KeyState.NEW, KeyAct.RETIRE): KeyState.RETIRED,
    (KeyState.VERIFY_ONLY, KeyAct.RETIRE): KeyState.RETIRED,
    (KeyState.RETIRED, KeyAct.DESTROY): KeyState.DESTROYED,
}

LOADABLE = frozenset({KeyState.NEW, KeyState.ACTIVE, KeyState.VERIFY_ONLY})


def state_after(state: KeyState, act: KeyAct, what: str) -> KeyState:
    """Where an act leads. `KeyStateError` where the table has no row."""
    after = TRANSITIONS.get((state, act))
    if after is None:
        allowed = " or ".join(before for before, known in TRANSITIONS if known is act)
        raise KeyStateError(f"expected {what} to be {allowed} to {act.lower()} it, got {state}: see its history")
    return after


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a key's history."""

    act: KeyAct
    state: KeyState
    """after the step"""
    time_ms: int
    author: str
    approver: str


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the keyring keeps of one key. `blob` is empty once the key is destroyed."""

    purpose: Purpose
    version: int
    state: KeyState
    partner: str
    """whose transport key, for KBPK; empty for all others"""
    exportable: bool
    kek_version: int
    blob: bytes
    check_value: bytes
    history: tuple[Change, ...]

    def __repr__(self) -> str:
        return f"<KeyEntry {self.purpose.name} {self.version} {self.state} {self.check_value.hex().upper()}>"

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.purpose.name} version {self.version}"

    def wrapped(self) -> WrappedKey:
        """For the backend. `KeyStateError` once destroyed."""
        if self.state is KeyState.DESTROYED:
            raise KeyStateError(f"expected {self.name} with its key, got it DESTROYED: restore a backup, if law allows")
        return WrappedKey(self.kek_version, self.blob, self.check_value)
