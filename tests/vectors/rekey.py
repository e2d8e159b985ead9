"""rekey.json: one direction's key before and after each change, and a message on either side of it."""

from typing import Any

from switch.protocol.limits import REKEY_FRAMES
from switch.protocol.messages import EchoRequest, Header, MessageType
from switch.protocol.noise import CipherState
from tests.vectors.example import NOW_MS, sign_on

CHANGES = 2


def rekey_file() -> dict[str, Any]:
    """rekey.json"""
    _, success = sign_on()
    cipher = CipherState(success.receive_key)
    messages = []
    for nonce in (0, *(nonce for n in range(1, CHANGES + 1) for nonce in (n * REKEY_FRAMES - 1, n * REKEY_FRAMES))):
        cipher.nonce = nonce
        plaintext = Header(type=MessageType.ECHO, sequence=nonce).encode() + EchoRequest(stamp_ms=NOW_MS).encode()
        sealed = cipher.encrypt(plaintext)
        messages.append({"nonce": nonce, "key": cipher.key.hex(), "plaintext": plaintext.hex(), "sealed": sealed.hex()})
    return {
        "about": "The key of terminal to switch of sign_on.json, around its first two changes (docs/protocol.md,"
        " section Sealed messages).",
        "rekey_frames": REKEY_FRAMES,
        "messages": messages,
    }
