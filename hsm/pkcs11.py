"""Backend over a PKCS#11 token: an HSM, or SoftHSM in training and tests.

Keys stay in the token: sensitive, not extractable, private, not modifiable, each with one purpose. A KEK may wrap and
unwrap and nothing else: with DECRYPT it would give away in clear what it wrapped. A key's name is its CKA_ID,
`cardswitch/KEK/1`; its CKA_LABEL repeats that with check value and moment of making, which no token keeps for us.

Each key is first a session object, which may sign so that its AES-CMAC check value can be had, and is then copied
into the token with only its purpose left and CKA_MODIFIABLE false: a crash leaves no key half made.

What the token trusts the host with: keys that cards and terminals use are unwrapped as session objects and read
straight into locked memory (`hsm._cryptoki`). SoftHSM keeps private objects encrypted under the PIN, in files: it
proves the road, it protects nothing from whoever has files and PIN.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self, TypeVar

import PyKCS11
from PyKCS11 import (
    CKA_CLASS,
    CKA_DECRYPT,
    CKA_DERIVE,
    CKA_EC_PARAMS,
    CKA_EC_POINT,
    CKA_ENCRYPT,
    CKA_EXTRACTABLE,
    CKA_ID,
    CKA_KEY_TYPE,
    CKA_LABEL,
    CKA_MODIFIABLE,
    CKA_PRIVATE,
    CKA_SENSITIVE,
    CKA_SIGN,
    CKA_TOKEN,
    CKA_UNWRAP,
    CKA_VALUE_LEN,
    CKA_VERIFY,
    CKA_WRAP,
    CKK_AES,
    CKK_EC_EDWARDS,
    CKM_AES_CMAC,
    CKM_AES_KEY_GEN,
    CKM_AES_KEY_WRAP,
    CKM_EC_EDWARDS_KEY_PAIR_GEN,
    CKM_EDDSA,
    CKO_PRIVATE_KEY,
    CKO_PUBLIC_KEY,
    CKO_SECRET_KEY,
    Mechanism,
    PyKCS11Error,
)

from hsm import _cipher
from hsm._cryptoki import Template
from hsm._memory import KeySlot
from hsm._token import CALL_TIMEOUT_MS, Handle, Token, handle
from hsm.backend import (
    CHECK_VALUE_BYTES,
    PUBLIC_KEY_BYTES,
    RESIDENT_KEY_BYTES,
    Backend,
    KeyFacts,
    KeyUse,
    WrappedKey,
    check_created,
    check_message,
    check_name,
    check_resident_length,
    check_unwrap_slot,
    check_wrappable_length,
    check_wrapped,
    not_found,
    taken,
    tampered,
)
from hsm.errors import TokenRefusedError

__all__ = ["CALL_TIMEOUT_MS", "Pkcs11Backend"]

Result = TypeVar("Result")

CMAC = Mechanism(CKM_AES_CMAC, None)
KEY_WRAP = Mechanism(CKM_AES_KEY_WRAP, None)
EDDSA = Mechanism(CKM_EDDSA, None)
AES_KEY_GEN = Mechanism(CKM_AES_KEY_GEN, None)
ED25519_KEY_GEN = Mechanism(CKM_EC_EDWARDS_KEY_PAIR_GEN, None)

ED25519_PARAMS = b"\x13\x0cedwards25519"  # PKCS#11 v3.0, 2.3.10: the curve's name as PrintableString
POINT_HEAD = b"\x04\x20"  # DER OCTET STRING of 32 bytes, which most tokens put around the public key
LABEL = re.compile(r"cardswitch/(KEK|SIGN|LOG)/(\d{1,5}) kcv=([0-9a-f]{10}) created_ms=(\d{1,19})")
USE_ORDER = list(KeyUse)

AES: Template = [
    (CKA_CLASS, CKO_SECRET_KEY),
    (CKA_KEY_TYPE, CKK_AES),
    (CKA_TOKEN, False),
    (CKA_PRIVATE, True),
    (CKA_SIGN, True),
    (CKA_VERIFY, False),
    (CKA_ENCRYPT, False),
    (CKA_DECRYPT, False),
    (CKA_DERIVE, False),
]
STAYS: Template = [(CKA_SENSITIVE, True), (CKA_EXTRACTABLE, False)]
WRAPS: Template = [(CKA_WRAP, True), (CKA_UNWRAP, True)]
WRAPS_NOT: Template = [(CKA_WRAP, False), (CKA_UNWRAP, False)]
# What is wrapped must be extractable while it lasts; being sensitive, it leaves wrapped only.
WRAPPABLE: Template = [*AES, *WRAPS_NOT, (CKA_SENSITIVE, True), (CKA_EXTRACTABLE, True)]
READABLE: Template = [*AES, *WRAPS_NOT, (CKA_SENSITIVE, False), (CKA_EXTRACTABLE, True)]
CHECKABLE: Template = [*AES, *WRAPS_NOT, *STAYS]
PUBLIC: Template = [
    (CKA_CLASS, CKO_PUBLIC_KEY),
    (CKA_KEY_TYPE, CKK_EC_EDWARDS),
    (CKA_PRIVATE, False),
    (CKA_VERIFY, True),
    (CKA_EC_PARAMS, ED25519_PARAMS),
]
PRIVATE: Template = [
    (CKA_CLASS, CKO_PRIVATE_KEY),
    (CKA_KEY_TYPE, CKK_EC_EDWARDS),
    (CKA_TOKEN, False),
    (CKA_PRIVATE, True),
    (CKA_SIGN, True),
    *STAYS,
]


class Pkcs11Backend(Backend):
    """A logged-in token. Operations of all threads queue for its one owner thread.

    `module_path` is the PKCS#11 library, `token_label` finds the token, `pin` is the user's (two halves that two
    people typed are joined by the caller). Raises `TokenUnavailableError`, `TokenPinRefusedError`.
    """

    def __init__(
        self, module_path: str, token_label: str, pin: bytes | bytearray, *, timeout_ms: int = CALL_TIMEOUT_MS
    ) -> None:
        self._token = Token(module_path, token_label, pin, timeout_ms)

    @classmethod
    def open(
        cls, module_path: str, token_label: str, pin: bytes | bytearray, *, timeout_ms: int = CALL_TIMEOUT_MS
    ) -> Self:
        """The same as making one; so that both backends are opened alike."""
        return cls(module_path, token_label, pin, timeout_ms=timeout_ms)

    def __repr__(self) -> str:
        return f"<Pkcs11Backend, {self._token.name}>"

    # Resident keys

    def generate(self, use: KeyUse, version: int, created_ms: int) -> KeyFacts:
        """See `Backend`."""
        check_name(use, version)
        check_created(created_ms)
        return self._run(lambda: self._generate(use, version, created_ms))

    def import_key(self, use: KeyUse, version: int, slot: KeySlot, created_ms: int) -> KeyFacts:
        """See `Backend`."""
        check_name(use, version)
        check_created(created_ms)
        check_resident_length(slot)
        return self._run(lambda: self._import(use, version, slot, created_ms))

    def facts(self, use: KeyUse, version: int) -> KeyFacts:
        """See `Backend`."""
        check_name(use, version)
        return self._run(lambda: self._facts_of(self._resident(use, version)))

    def keys(self) -> list[KeyFacts]:
        """See `Backend`. Objects that are not ours are left out."""
        return self._run(self._keys)

    def destroy(self, use: KeyUse, version: int) -> None:
        """See `Backend`. Backups of the token still hold the key: destroy them."""
        check_name(use, version)
        self._run(lambda: self._destroy(use, version))

    # Keys outside, under a KEK

    def generate_wrapped(self, kek_version: int, key_bytes: int) -> WrappedKey:
        """See `Backend`."""
        check_name(KeyUse.KEK, kek_version)
        check_wrappable_length(key_bytes)
        return self._run(lambda: self._generate_wrapped(kek_version, key_bytes))

    def wrap(self, kek_version: int, slot: KeySlot) -> WrappedKey:
        """See `Backend`."""
        check_name(KeyUse.KEK, kek_version)
        check_wrappable_length(len(slot))
        return self._run(lambda: self._wrap(kek_version, slot))

    def unwrap_into(self, wrapped: WrappedKey, slot: KeySlot) -> None:
        """See `Backend`."""
        check_wrapped(wrapped)
        check_unwrap_slot(wrapped, slot)
        self._run(lambda: self._unwrap_into(wrapped, slot))

    def rewrap(self, wrapped: WrappedKey, new_kek_version: int) -> WrappedKey:
        """See `Backend`. The key does not leave the token."""
        check_wrapped(wrapped)
        check_name(KeyUse.KEK, new_kek_version)
        return self._run(lambda: self._rewrap(wrapped, new_kek_version))

    def check_value(self, wrapped: WrappedKey) -> bytes:
        """See `Backend`. The key does not leave the token."""
        check_wrapped(wrapped)
        return self._run(lambda: self._check_value(wrapped))

    # Proofs

    def mac(self, version: int, message: bytes) -> bytes:
        """See `Backend`."""
        check_name(KeyUse.LOG, version)
        check_message(message)
        return self._run(lambda: self._cmac(self._resident(KeyUse.LOG, version), message))

    def sign(self, version: int, message: bytes) -> bytes:
        """See `Backend`."""
        check_name(KeyUse.SIGN, version)
        check_message(message)
        return self._run(lambda: bytes(self._session.sign(self._resident(KeyUse.SIGN, version), message, EDDSA)))

    def public_key(self, version: int) -> bytes:
        """See `Backend`."""
        check_name(KeyUse.SIGN, version)
        return self._run(lambda: self._public_key(version))

    def close(self) -> None:
        """See `Backend`. Ends the owner thread."""
        self._token.close()

    # In the owner thread

    def _run(self, operation: Callable[[], Result]) -> Result:
        return self._token.run(operation)

    @property
    def _session(self) -> PyKCS11.Session:
        return self._token.session

    def _find(self, template: Template) -> list[Handle]:
        return [handle(found.value()) for found in self._session.findObjects(template)]

    def _resident(self, use: KeyUse, version: int) -> Handle:
        kind = key_class(use)
        found = self._find([(CKA_TOKEN, True), (CKA_CLASS, kind), (CKA_ID, key_id(use, version))])
        if len(found) == 1:
            return found[0]
        if not self._token.is_there():
            raise self._token.lost("no answer to the search for a key")
        if found:
            raise TokenRefusedError(
                f"expected one {use.value} key of version {version} in {self._token.name}, got {len(found)}: someone "
                f"wrote to the token past this program; compare check values and remove the wrong ones"
            )
        raise not_found(use, version)

    def _check_free(self, use: KeyUse, version: int) -> None:
        if self._find([(CKA_TOKEN, True), (CKA_ID, key_id(use, version)), (CKA_CLASS, key_class(use))]):
            raise taken(use, version)

    def _facts_of(self, key: Handle) -> KeyFacts:
        (label,) = self._session.getAttributeValue(key, [CKA_LABEL])
        facts = read_label(label)
        if facts is None:
            raise TokenRefusedError(
                f"expected a label as this program writes it on a key in {self._token.name}, got another: "
                f"someone renamed the key; destroy it and import it again"
            )
        return facts

    def _keys(self) -> list[KeyFacts]:
        facts = []
        for kind in (CKO_SECRET_KEY, CKO_PRIVATE_KEY):
            for found in self._find([(CKA_TOKEN, True), (CKA_CLASS, kind)]):
                (label,) = self._session.getAttributeValue(found, [CKA_LABEL])
                known = read_label(label)
                if known is not None:
                    facts.append(known)
        if not facts and not self._token.is_there():
            raise self._token.lost("no answer to the search for keys")
        return sorted(facts, key=lambda key: (USE_ORDER.index(key.use), key.version))

    def _generate(self, use: KeyUse, version: int, created_ms: int) -> KeyFacts:
        self._check_free(use, version)
        if use is KeyUse.SIGN:
            public, private = self._session.generateKeyPair([*PUBLIC, (CKA_TOKEN, False)], PRIVATE, ED25519_KEY_GEN)
            with self._passing(handle(public.value())) as found, self._passing(handle(private.value())) as key:
                return self._keep_pair(version, key, self._point(found), created_ms)
        template = [*AES, *STAYS, *(WRAPS if use is KeyUse.KEK else WRAPS_NOT), (CKA_VALUE_LEN, RESIDENT_KEY_BYTES)]
        with self._passing(self._session.generateKey(template, AES_KEY_GEN)) as key:
            return self._keep(use, version, key, created_ms)

    def _import(self, use: KeyUse, version: int, slot: KeySlot, created_ms: int) -> KeyFacts:
        self._check_free(use, version)
        if use is KeyUse.SIGN:
            with self._passing(self._token.create([*PRIVATE, (CKA_EC_PARAMS, ED25519_PARAMS)], slot)) as key:
                return self._keep_pair(version, key, _cipher.ed25519_public_key(slot), created_ms)
        template = [*AES, *STAYS, *(WRAPS if use is KeyUse.KEK else WRAPS_NOT)]
        with self._passing(self._token.create(template, slot)) as key:
            if self._kcv(key) != _cipher.check_value(slot):
                raise TokenRefusedError(
                    f"expected {self._token.name} to take in the key as it is, got another: replace it"
                )
            return self._keep(use, version, key, created_ms)

    def _keep(self, use: KeyUse, version: int, key: Handle, created_ms: int) -> KeyFacts:
        facts = KeyFacts(use, version, self._kcv(key), created_ms)
        self._token.copy(key, [(CKA_SIGN, use is KeyUse.LOG), *kept_as(facts)])
        return facts

    def _keep_pair(self, version: int, private: Handle, public_key: bytes, created_ms: int) -> KeyFacts:
        facts = KeyFacts(KeyUse.SIGN, version, hashlib.sha256(public_key).digest()[:CHECK_VALUE_BYTES], created_ms)
        proof = bytes(self._session.sign(private, facts.check_value, EDDSA))
        if not _cipher.ed25519_verify(public_key, facts.check_value, proof):
            raise TokenRefusedError(
                f"expected {self._token.name} to sign with the key it was given, got another: replace it"
            )
        # The private half comes last: the key is there when that is. A public half alone is left over from a crash.
        for leftover in self._public_halves(version):
            self._session.destroyObject(leftover)
        self._session.createObject([*PUBLIC, (CKA_EC_POINT, POINT_HEAD + public_key), *kept_as(facts)])
        self._token.copy(private, kept_as(facts))
        return facts

    def _destroy(self, use: KeyUse, version: int) -> None:
        self._session.destroyObject(self._resident(use, version))
        if use is KeyUse.SIGN:
            for half in self._public_halves(version):
                self._session.destroyObject(half)

    def _public_halves(self, version: int) -> list[Handle]:
        return self._find([(CKA_TOKEN, True), (CKA_CLASS, CKO_PUBLIC_KEY), (CKA_ID, key_id(KeyUse.SIGN, version))])

    def _public_key(self, version: int) -> bytes:
        facts = self._facts_of(self._resident(KeyUse.SIGN, version))
        for half in self._public_halves(version):
            key = self._point(half)
            if hashlib.sha256(key).digest()[:CHECK_VALUE_BYTES] == facts.check_value:
                return key
        raise TokenRefusedError(
            f"expected the public half of SIGN {version} in {self._token.name}, got none that fits its check value: "
            f"import the key again from its backup"
        )

    def _point(self, public: Handle) -> bytes:
        (point,) = self._session.getAttributeValue(public, [CKA_EC_POINT])
        return bytes(point).removeprefix(POINT_HEAD)[-PUBLIC_KEY_BYTES:]

    def _cmac(self, key: Handle, message: bytes) -> bytes:
        return bytes(self._session.sign(key, message, CMAC))

    def _kcv(self, key: Handle) -> bytes:
        return self._cmac(key, bytes(16))[:CHECK_VALUE_BYTES]

    def _wrap_object(self, kek_version: int, kek: Handle, key: Handle) -> WrappedKey:
        return WrappedKey(kek_version, bytes(self._session.wrapKey(kek, key, KEY_WRAP)), self._kcv(key))

    def _generate_wrapped(self, kek_version: int, key_bytes: int) -> WrappedKey:
        kek = self._resident(KeyUse.KEK, kek_version)
        with self._passing(self._session.generateKey([*WRAPPABLE, (CKA_VALUE_LEN, key_bytes)], AES_KEY_GEN)) as key:
            return self._wrap_object(kek_version, kek, key)

    def _wrap(self, kek_version: int, slot: KeySlot) -> WrappedKey:
        kek = self._resident(KeyUse.KEK, kek_version)
        with self._passing(self._token.create(WRAPPABLE, slot)) as key:
            return self._wrap_object(kek_version, kek, key)

    def _unwrap(self, wrapped: WrappedKey, template: Template) -> Handle:
        kek = self._resident(KeyUse.KEK, wrapped.kek_version)
        try:
            return self._session.unwrapKey(kek, wrapped.blob, template, KEY_WRAP)
        except PyKCS11Error as error:
            # Tokens name this fault in different ways (SoftHSM: CKR_GENERAL_ERROR). One that is there and refuses
            # was given something forged.
            refusal = self._token.judge(error)
            raise tampered(wrapped) if isinstance(refusal, TokenRefusedError) else refusal from None

    def _unwrap_into(self, wrapped: WrappedKey, slot: KeySlot) -> None:
        try:
            with self._passing(self._unwrap(wrapped, READABLE)) as key:
                self._token.read_value(key, slot)
            if not _cipher.equal(_cipher.check_value(slot), wrapped.check_value):
                raise tampered(wrapped)
        except BaseException:
            _cipher.cleanse(slot)
            raise

    def _check(self, wrapped: WrappedKey, key: Handle) -> None:
        if not _cipher.equal(self._kcv(key), wrapped.check_value):
            raise tampered(wrapped)

    def _rewrap(self, wrapped: WrappedKey, new_kek_version: int) -> WrappedKey:
        new_kek = self._resident(KeyUse.KEK, new_kek_version)
        with self._passing(self._unwrap(wrapped, WRAPPABLE)) as key:
            self._check(wrapped, key)
            return self._wrap_object(new_kek_version, new_kek, key)

    def _check_value(self, wrapped: WrappedKey) -> bytes:
        with self._passing(self._unwrap(wrapped, CHECKABLE)) as key:
            self._check(wrapped, key)
            return wrapped.check_value

    @contextmanager
    def _passing(self, key: Handle) -> Iterator[Handle]:
        """A session object that ends with the block, whatever happens there."""
        try:
            yield key
        finally:
            with suppress(PyKCS11Error):
                self._session.destroyObject(key)


def key_class(use: KeyUse) -> int:
    """The class of object that a key of this use is."""
    return int(CKO_PRIVATE_KEY if use is KeyUse.SIGN else CKO_SECRET_KEY)


def key_id(use: KeyUse, version: int) -> bytes:
    """CKA_ID of a resident key."""
    return f"cardswitch/{use.value}/{version}".encode()


def kept_as(facts: KeyFacts) -> Template:
    """What a key gets when it is copied into the token."""
    name = f"cardswitch/{facts.use.value}/{facts.version}"
    return [
        (CKA_TOKEN, True),
        (CKA_ID, key_id(facts.use, facts.version)),
        (CKA_LABEL, f"{name} kcv={facts.check_value.hex()} created_ms={facts.created_ms}"),
        (CKA_MODIFIABLE, False),  # last: SoftHSM sets them in order
    ]


def read_label(label: str) -> KeyFacts | None:
    """The facts in a label of ours; None for any other label."""
    found = LABEL.fullmatch(label)
    if found is None:
        return None
    use, version, check_value, created_ms = found.groups()
    return KeyFacts(KeyUse(use), int(version), bytes.fromhex(check_value), int(created_ms))
