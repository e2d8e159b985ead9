"""How the key that seals a keystore comes about: from a passphrase, or from components that custodians hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hsm._cipher import copy_into, random_bytes, xor_into
from hsm._memory import KeySlot
from hsm.errors import KeystoreUnknownError, SealTooCheapError, WrongKeyLengthError

SEALING_KEY_BYTES = 32
SALT_BYTES = 16  # RFC 9106, section 3.1
COMPONENT_COUNT_MIN = 2  # one component would be a key that one person knows
PASSPHRASE_BYTES_MIN = 12  # about four random words; each try at a shorter one costs too little in the end
PASSPHRASE_BYTES_MAX = 1024  # a passphrase is typed or piped in, not a file by mistake

ITERATION_COUNT_MAX = 64  # bounds what an altered header can make us work,
MEMORY_KIB_MIN, MEMORY_KIB_MAX = 1 << 10, 1 << 20  # and allocate: 1 MiB to 1 GiB
LANE_COUNT_MAX = 16
SCRYPT_BLOCK = 8  # r: 128 * 8 bytes = 1 KiB per unit of n, so that n is the memory in KiB

Secret = bytes | bytearray | Sequence[KeySlot]
"""A passphrase, or the custodians' components (two or more of 32 bytes)."""


class SealMethod(IntEnum):
    """As numbered in the file."""

    ARGON2ID = 1  # RFC 9106
    SCRYPT = 2  # RFC 7914, where libcrypto has no Argon2id
    COMPONENTS = 3  # exclusive or of the components


@dataclass(frozen=True, slots=True)
class SealCost:
    """What each guess at a passphrase costs. scrypt takes `memory_kib` (a power of two) as n and `iterations` as p."""

    iterations: int
    memory_kib: int
    lanes: int

    def check(self) -> None:
        """Raise `SealTooCheapError` outside the bounds above."""
        if not (
            1 <= self.iterations <= ITERATION_COUNT_MAX
            and MEMORY_KIB_MIN <= self.memory_kib <= MEMORY_KIB_MAX
            and self.memory_kib & (self.memory_kib - 1) == 0
            and 1 <= self.lanes <= LANE_COUNT_MAX
        ):
            raise SealTooCheapError(
                f"expected 1 to {ITERATION_COUNT_MAX} iterations, {MEMORY_KIB_MIN} to {MEMORY_KIB_MAX} KiB in a power "
                f"of two and 1 to {LANE_COUNT_MAX} lanes, got {self}: use LIVE_COST or TRAINING_COST"
            )


LIVE_COST = SealCost(iterations=3, memory_kib=1 << 16, lanes=4)
"""RFC 9106's recommendation where memory is shared with other work; some 100 ms."""
TRAINING_COST = SealCost(iterations=1, memory_kib=MEMORY_KIB_MIN, lanes=1)
"""The least that is allowed, about a millisecond: for training shops and tests, whose keys protect nothing."""
NO_COST = SealCost(0, 0, 0)  # of components: random, not guessable


@dataclass(frozen=True, slots=True)
class Seal:
    """A method with its parameters, all public: they stand in the file's header."""

    method: SealMethod
    cost: SealCost
    salt: bytes

    @classmethod
    def new(cls, secret: Secret, cost: SealCost = LIVE_COST, method: SealMethod | None = None) -> "Seal":
        """The seal that fits a secret. Raises `SealTooCheapError`."""
        if not isinstance(secret, bytes | bytearray):
            return cls(SealMethod.COMPONENTS, NO_COST, bytes(SALT_BYTES))
        if not PASSPHRASE_BYTES_MIN <= len(secret) <= PASSPHRASE_BYTES_MAX:
            raise SealTooCheapError(
                f"expected a passphrase of {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes, got {len(secret)}: "
                f"choose at least four random words"
            )
        cost.check()
        return cls(method or passphrase_method(), cost, random_bytes(SALT_BYTES))

    def derive_into(self, slot: KeySlot, secret: Secret) -> None:
        """Put the sealing key into a slot of 32 bytes. `KeystoreUnknownError` if the secret is of the other kind."""
        is_passphrase = isinstance(secret, bytes | bytearray)
        if is_passphrase != (self.method is not SealMethod.COMPONENTS):
            needs, got = ("components", "a passphrase") if is_passphrase else ("a passphrase", "components")
            raise KeystoreUnknownError(f"expected {needs} for this keystore, got {got}: it was sealed by {needs}")
        if isinstance(secret, bytes | bytearray):
            self._derive_from_passphrase(slot, secret)
        else:
            combine(slot, secret)

    def _derive_from_passphrase(self, slot: KeySlot, passphrase: bytes | bytearray) -> None:
        cost = self.cost
        if self.method is SealMethod.SCRYPT:
            Scrypt(self.salt, SEALING_KEY_BYTES, cost.memory_kib, SCRYPT_BLOCK, cost.iterations).derive_into(
                passphrase, memoryview(slot)
            )
            return
        try:
            argon2id = Argon2id(
                salt=self.salt,
                length=SEALING_KEY_BYTES,
                iterations=cost.iterations,
                lanes=cost.lanes,
                memory_cost=cost.memory_kib,
            )
        except UnsupportedAlgorithm:
            raise KeystoreUnknownError(
                "expected a libcrypto with Argon2id for this keystore, got one without: install the "
                "`cryptography` package with its own libcrypto (the wheel)"
            ) from None
        argon2id.derive_into(passphrase, memoryview(slot))  # type: ignore[arg-type]  # takes any buffer


def combine(slot: KeySlot, components: Sequence[KeySlot]) -> None:
    """Exclusive or of two or more components of full key length. `WrongKeyLengthError`, `SealTooCheapError`."""
    if len(components) < COMPONENT_COUNT_MIN:
        raise SealTooCheapError(
            f"expected {COMPONENT_COUNT_MIN} components or more, got {len(components)}: "
            f"no one person may hold a whole key"
        )
    for component in components:
        if len(component) != len(slot):
            raise WrongKeyLengthError(
                f"expected components of {len(slot)} bytes, got one of {len(component)}: each has full key length"
            )
    copy_into(slot, components[0])
    for component in components[1:]:
        xor_into(slot, component)


def passphrase_method() -> SealMethod:
    """Argon2id if libcrypto has it, else scrypt."""
    try:
        Argon2id(salt=bytes(SALT_BYTES), length=SEALING_KEY_BYTES, iterations=1, lanes=1, memory_cost=MEMORY_KIB_MIN)
    except UnsupportedAlgorithm:
        return SealMethod.SCRYPT
    return SealMethod.ARGON2ID
