"""Noise_NNpsk0_25519_AESGCM_SHA256: the handshake that gives both sides of a connection their keys.

Follows "The Noise Protocol Framework", revision 34, section by section; the
names are the specification's, so that both can be read side by side.  Why this
pattern: a terminal and the switch share one secret of 32 bytes and nothing
else.  `psk0` mixes it in before anything is sent, so a stranger's first
message fails its tag and costs one AES block, and the switch proves in message
2 that it knows the secret too.  `ee` makes every session's keys independent:
whoever steals the secret later cannot read what was recorded before.

    NNpsk0:
      -> psk, e
      <- e, ee

Randomness enters as an argument: whoever makes a side passes the 32 bytes of
its ephemeral private key, drawn freshly from the system for every handshake.
The same bytes twice would give the same keys twice, which AES-GCM does not
forgive.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import ProtocolError
from .limits import NOISE_KEY_BYTES, REKEY_FRAMES, TAG_BYTES

PROTOCOL_NAME: Final = b"Noise_NNpsk0_25519_AESGCM_SHA256"
DH_BYTES: Final = 32
"""DHLEN of section 12.1: an X25519 public key and a shared secret."""
NONCE_MAX: Final = 2**64 - 1
"""Reserved by section 5.1: no message is ever sealed with it."""


class NoiseError(ProtocolError):
    """A handshake or transport message that does not hold, or a step out of turn."""


class CipherState:
    """Section 5.1: a key and the counter of messages sealed or opened with it, one direction of a session.

    Before the message whose number is a multiple of `rekey_frames` the key is
    changed by `rekey` (section 11.3 leaves to the application when): both sides
    count, so both do it at the same place, and nothing is sent for it.
    """

    __slots__ = ("_aead", "_rekey_at", "_rekey_frames", "key", "nonce")

    def __init__(self, key: bytes, rekey_frames: int = REKEY_FRAMES) -> None:
        if len(key) != NOISE_KEY_BYTES:
            raise NoiseError(f"key: expected {NOISE_KEY_BYTES} bytes, got {len(key)}")
        self.key = key
        self.nonce = 0
        self._rekey_at = self._rekey_frames = rekey_frames
        self._aead = AESGCM(key)

    def rekey(self) -> None:
        """Section 4.2: the key becomes the first 32 bytes of ENCRYPT(k, 2^64 - 1, empty, 32 zeros); n goes on."""
        sealed = self._aead.encrypt(NONCE_MAX.to_bytes(12, "big"), bytes(NOISE_KEY_BYTES), b"")
        self.key = sealed[:NOISE_KEY_BYTES]
        self._aead = AESGCM(self.key)
        self._rekey_at += self._rekey_frames

    def encrypt(self, plaintext: bytes, ad: bytes = b"") -> bytes:
        """EncryptWithAd: ciphertext and tag; the counter goes up."""
        if self.nonce == self._rekey_at:
            self.rekey()
        sealed = self._aead.encrypt(self._nonce_bytes(), plaintext, ad)
        self.nonce += 1
        return sealed

    def decrypt(self, ciphertext: bytes, ad: bytes = b"") -> bytes:
        """DecryptWithAd: plaintext; `NoiseError` for a wrong tag, and then the counter stays as it is."""
        if len(ciphertext) < TAG_BYTES:
            raise NoiseError(f"sealed message: expected at least {TAG_BYTES} bytes, got {len(ciphertext)}")
        if self.nonce == self._rekey_at:
            self.rekey()
        try:
            plaintext = self._aead.decrypt(self._nonce_bytes(), ciphertext, ad)
        except InvalidTag:
            raise NoiseError(f"sealed message {self.nonce}: wrong tag: altered, out of order, or another key") from None
        self.nonce += 1
        return plaintext

    def _nonce_bytes(self) -> bytes:
        """Section 12.4: for AESGCM four zero bytes, then the counter big-endian (ChaChaPoly's is little-endian)."""
        if self.nonce >= NONCE_MAX:
            raise NoiseError("nonce: every number of this key is used up; sign on again")
        return self.nonce.to_bytes(12, "big")


def hkdf(chaining_key: bytes, input_key_material: bytes, outputs: int) -> tuple[bytes, ...]:
    """Section 4.3: `outputs` (2 or 3) keys of 32 bytes out of one secret."""
    temp_key = hmac.digest(chaining_key, input_key_material, "sha256")
    keys: list[bytes] = []
    output = b""
    for number in range(1, outputs + 1):
        output = hmac.digest(temp_key, output + bytes([number]), "sha256")
        keys.append(output)
    return tuple(keys)


class SymmetricState:
    """Section 5.2: chaining key `ck`, transcript hash `h`, and the cipher once there is a key."""

    __slots__ = ("_cipher", "ck", "h")

    def __init__(self, prologue: bytes) -> None:
        # InitializeSymmetric: a name shorter than the hash is padded with zeros, a longer one hashed; ours just fits.
        assert len(PROTOCOL_NAME) == hashlib.sha256().digest_size
        self.h = PROTOCOL_NAME
        self.ck = PROTOCOL_NAME
        self._cipher: CipherState | None = None
        self.mix_hash(prologue)

    def mix_key(self, input_key_material: bytes) -> None:
        """MixKey: fold a secret (or, beside a psk, a public key) into `ck`; a new cipher key, its counter at 0."""
        self.ck, temp_key = hkdf(self.ck, input_key_material, 2)
        self._cipher = CipherState(temp_key)

    def mix_hash(self, data: bytes) -> None:
        """MixHash: fold what both sides have seen into `h`."""
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key_and_hash(self, input_key_material: bytes) -> None:
        """MixKeyAndHash, for a psk token: fold it into `ck`, `h` and the cipher key."""
        self.ck, temp_hash, temp_key = hkdf(self.ck, input_key_material, 3)
        self.mix_hash(temp_hash)
        self._cipher = CipherState(temp_key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """EncryptAndHash: seal with `h` as associated data, then fold the result into `h`."""
        assert self._cipher is not None, "in NNpsk0 there is a key before anything is sealed"
        ciphertext = self._cipher.encrypt(plaintext, self.h)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """DecryptAndHash: the mirror of `encrypt_and_hash`."""
        assert self._cipher is not None, "in NNpsk0 there is a key before anything is opened"
        plaintext = self._cipher.decrypt(ciphertext, self.h)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """Split: the initiator's sending cipher, then the responder's."""
        first, second = hkdf(self.ck, b"", 2)
        return CipherState(first), CipherState(second)


class _Handshake:
    """What both sides share of section 5.3: the tokens of NNpsk0 and whose turn it is.

    After an error a handshake is over: section 5.3 forbids to go on with it,
    and so does `_turn`, which then fits no step.
    """

    _FAILED = "failed"

    def __init__(self, psk: bytes, prologue: bytes, ephemeral_private: bytes) -> None:
        if len(psk) != NOISE_KEY_BYTES:
            raise NoiseError(f"psk: expected {NOISE_KEY_BYTES} bytes, got {len(psk)}")
        if len(ephemeral_private) != DH_BYTES:
            raise NoiseError(f"ephemeral private key: expected {DH_BYTES} bytes, got {len(ephemeral_private)}")
        self._symmetric = SymmetricState(prologue)
        self._psk = psk
        self._private_bytes = ephemeral_private
        self._private_key: X25519PrivateKey | None = None
        self._remote_public: bytes = b""
        self._turn = "message 1"

    @property
    def handshake_hash(self) -> bytes:
        """Section 11.2: names this handshake, the same on both sides; known when both messages have passed."""
        return self._symmetric.h

    def _begin(self, turn: str) -> None:
        if self._turn != turn:
            raise NoiseError(f"handshake: {turn} is not due, but {self._turn}")
        self._turn = self._FAILED  # until the step has succeeded

    @property
    def _private(self) -> X25519PrivateKey:
        # Made when it is needed: a responder refuses a stranger before that, at half the price.
        if self._private_key is None:
            self._private_key = X25519PrivateKey.from_private_bytes(self._private_bytes)
        return self._private_key

    def _mix_psk(self) -> None:
        """Token "psk": MixKeyAndHash, sections 9.1 and 9.2."""
        self._symmetric.mix_key_and_hash(self._psk)

    def _write_e(self) -> bytes:
        """Token "e"; section 9.2 adds MixKey(e.public_key) in every psk handshake."""
        public = self._private.public_key().public_bytes_raw()
        self._symmetric.mix_hash(public)
        self._symmetric.mix_key(public)
        return public

    def _read_e(self, message: bytes) -> bytes:
        """Token "e" as received; the rest of the message."""
        if len(message) < DH_BYTES + TAG_BYTES:
            raise NoiseError(f"{len(message)} bytes of handshake: expected at least {DH_BYTES + TAG_BYTES}")
        self._remote_public = message[:DH_BYTES]
        self._symmetric.mix_hash(self._remote_public)
        self._symmetric.mix_key(self._remote_public)
        return message[DH_BYTES:]

    def _mix_ee(self) -> None:
        """Token "ee": the shared secret of both ephemeral keys."""
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(self._remote_public))
        except ValueError:  # a point of small order: the secret would be zero whatever our key is
            raise NoiseError("ephemeral public key: the shared secret would be zero") from None
        self._symmetric.mix_key(shared)

    def _split(self) -> tuple[CipherState, CipherState]:
        self._begin("split")
        return self._symmetric.split()


class Initiator(_Handshake):
    """The terminal's side: write message 1, read message 2, split."""

    def write_message(self, payload: bytes = b"") -> bytes:
        """Message 1: psk, e, payload."""
        self._begin("message 1")
        self._mix_psk()
        message = self._write_e() + self._symmetric.encrypt_and_hash(payload)
        self._turn = "message 2"
        return message

    def read_message(self, message: bytes) -> bytes:
        """Payload of message 2: e, ee, payload."""
        self._begin("message 2")
        sealed = self._read_e(message)
        self._mix_ee()
        payload = self._symmetric.decrypt_and_hash(sealed)
        self._turn = "split"
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """Ciphers of this side: (send, receive)."""
        return self._split()


class Responder(_Handshake):
    """The switch's side: read message 1, write message 2, split."""

    def read_message(self, message: bytes) -> bytes:
        """Payload of message 1: psk, e, payload."""
        self._begin("message 1")
        self._mix_psk()
        payload = self._symmetric.decrypt_and_hash(self._read_e(message))
        self._turn = "message 2"
        return payload

    def write_message(self, payload: bytes = b"") -> bytes:
        """Message 2: e, ee, payload."""
        self._begin("message 2")
        public = self._write_e()
        self._mix_ee()
        message = public + self._symmetric.encrypt_and_hash(payload)
        self._turn = "split"
        return message

    def split(self) -> tuple[CipherState, CipherState]:
        """Ciphers of this side: (send, receive)."""
        receive, send = self._split()
        return send, receive
