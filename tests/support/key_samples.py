"""Samples of the messages that name keys, such that the decision is reached and an entry written.

A plain sample names keys that the switch cannot have: KEY_MATERIAL answers it before anything is compared or decided.
"""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import KeyPurpose, KeyState, MessageType
from switch.protocol.records import RecordKind
from tests.fuzz.peer import Peer
from tests.fuzz.samples import sample

STORAGE_VERSION = 1
"""What `cardswitch init` makes."""


def decided_sample(peer: Peer, type_: MessageType) -> bytes:
    """Body of a request that is decided, with a trace number of its own; nothing is changed by the key messages.

    Put key: a version that nobody knows cannot become active. Rewrap key: the terminal's wrapping is that already.
    """
    assert peer.credentials is not None
    fields: dict[MessageType, dict[str, Any]] = {
        MessageType.PUT_KEY: {
            "purpose": KeyPurpose.TAG,
            "key_version": 9,
            "state": KeyState.ACTIVE,
            "check_value": bytes(8),
            "operator_id": 1,
            "approver_id": 2,
        },
        MessageType.REWRAP_KEY: {
            "kind": RecordKind.TERMINAL,
            "storage_version": STORAGE_VERSION,
            "key_a": peer.credentials.terminal_id,
        },
    }
    return peer.request(type_, **fields[type_]).encode() if type_ in fields else sample(peer, type_)
