"""Section 18, receipt codes: 40 bits by which a receipt can be checked later."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from switch.protocol.messages import KeyPurpose, KeyState, Reply
from switch.protocol.records import RecordKind

from .state import State

MasterKeys = Mapping[tuple[int, int], bytes]
"""Keys of the issuer in the clear, by (KeyPurpose, version)."""
CODE_BYTES = 5


def active_version(state: State, purpose: KeyPurpose) -> int:
    """The version that new values are made with; 0 when there is none."""
    keys = state.tables.all(RecordKind.KEY)
    return next((key.key_version for key in keys if (key.purpose, key.state) == (purpose, KeyState.ACTIVE)), 0)


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes."""
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def receipt_code(state: State, master_keys: MasterKeys, reply: Reply) -> int:
    """Code of an approval; 0 when no key makes one."""
    key = master_keys.get((KeyPurpose.RECEIPT, active_version(state, KeyPurpose.RECEIPT)))
    if key is None:
        return 0
    message = reply.journal_sequence.to_bytes(8, "big") + reply.amount_minor.to_bytes(8, "big", signed=True)
    return int.from_bytes(cmac(key, message)[:CODE_BYTES], "big")
