"""AES DUKPT of ANSI X9.24-3: a terminal with an initial key makes a new working key for each transaction.

The issuer keeps one base derivation key (BDK) and finds the same working key from what the terminal sends in clear:
its initial key id and a counter. A terminal that is opened gives away no earlier key.
"""

from enum import IntEnum

from hsm._primitives import AES_BLOCK_BYTES, AES_KEY_BYTES, Buffer, aes_encrypt, field, key_view, number
from hsm.data_errors import WrongFieldError

INITIAL_KEY_ID_BYTES = 8  # BDK id (4) and derivation id of the terminal (4)
COUNTER_MAX = 0xFFFF0000
COUNTER_BITS_SET_MAX = 16  # the standard skips counters with more, which bounds the walk

_INITIAL_KEY, _DERIVATION_KEY = 0x8001, 0x8000
_ALGORITHM_OF_BYTES = {16: 2, 24: 3, 32: 4}


class WorkingKeyUsage(IntEnum):
    """What a working key does."""

    KEY_ENCRYPTION = 0x0002
    PIN_ENCRYPTION = 0x1000
    MAC_GENERATION = 0x2000
    MAC_VERIFICATION = 0x2001
    MAC_BOTH_WAYS = 0x2002
    DATA_ENCRYPTION = 0x3000
    DATA_DECRYPTION = 0x3001
    DATA_BOTH_WAYS = 0x3002


class WorkingKeyAlgorithm(IntEnum):
    """What a working key is used with. Its strength is that of the initial key at most, whatever its length."""

    AES = 2
    """AES of the key's length."""
    TDES = 0
    """Two keys of 8 bytes, or three. Parity bits are left as they come."""
    HMAC = 5


def initial_key(bdk: Buffer, initial_key_id: bytes) -> bytes:
    """The key that is put into a terminal; as long as the BDK."""
    field(initial_key_id, INITIAL_KEY_ID_BYTES, "an initial key id")
    return _derived(bdk, _INITIAL_KEY, len(key_view(bdk, AES_KEY_BYTES, "a BDK")), initial_key_id)


def transaction_key(initial: Buffer, initial_key_id: bytes, counter: int) -> bytes:
    """The key from which the working keys of one transaction come. `WrongFieldError` for a counter that is skipped."""
    if counter.bit_count() > COUNTER_BITS_SET_MAX:
        raise WrongFieldError(
            f"expected a counter of up to {COUNTER_BITS_SET_MAX} set bits, got {counter.bit_count()}: use next_counter"
        )
    number(counter, range(1, COUNTER_MAX + 1), "a transaction counter")
    field(initial_key_id, INITIAL_KEY_ID_BYTES, "an initial key id")
    key, walked = bytes(key_view(initial, AES_KEY_BYTES, "an initial key")), 0
    for place in reversed(range(32)):
        if counter >> place & 1:
            walked |= 1 << place
            key = _derived(key, _DERIVATION_KEY, len(key), initial_key_id[4:] + walked.to_bytes(4, "big"))
    return key


def working_key(
    initial: Buffer,
    initial_key_id: bytes,
    counter: int,
    usage: WorkingKeyUsage,
    key_bytes: int = 16,
    algorithm: WorkingKeyAlgorithm = WorkingKeyAlgorithm.AES,
) -> bytes:
    """The key of one transaction and usage: 16, 24 or 32 bytes (TDES: 16 or 24); AES at most as long as the initial."""
    key = transaction_key(initial, initial_key_id, counter)
    longest = {WorkingKeyAlgorithm.AES: len(key), WorkingKeyAlgorithm.TDES: 24, WorkingKeyAlgorithm.HMAC: 32}[algorithm]
    if key_bytes not in AES_KEY_BYTES or key_bytes > longest:
        raise WrongFieldError(
            f"expected a working key of 16 to {longest} bytes for {algorithm.name}, got {key_bytes}: take 16, 24 or 32"
        )
    indicator = {
        WorkingKeyAlgorithm.AES: _ALGORITHM_OF_BYTES[key_bytes],
        WorkingKeyAlgorithm.TDES: int(key_bytes == 24),
        WorkingKeyAlgorithm.HMAC: 5,
    }[algorithm]
    return _derived(key, usage, key_bytes, initial_key_id[4:] + counter.to_bytes(4, "big"), indicator)


def next_counter(counter: int) -> int:
    """The counter after this one, leaving out those with more than 16 set bits. `WrongFieldError` after the last."""
    number(counter, range(COUNTER_MAX), "a transaction counter that has a next")
    counter += 1
    while counter.bit_count() > COUNTER_BITS_SET_MAX:
        counter += counter & -counter  # next one with fewer low bits
    return counter


def _derived(key: Buffer, usage: int, key_bytes: int, identity: bytes, algorithm: int | None = None) -> bytes:
    """AES-ECB of 01 | block | usage (2) | algorithm (2) | bits (2) | identity (8), joined and cut."""
    tail = (
        usage.to_bytes(2, "big")
        + (_ALGORITHM_OF_BYTES[key_bytes] if algorithm is None else algorithm).to_bytes(2, "big")
        + (key_bytes * 8).to_bytes(2, "big")
        + identity
    )
    count = -(-key_bytes // AES_BLOCK_BYTES)
    return aes_encrypt(key, b"".join(bytes([1, i]) + tail for i in range(1, count + 1)))[:key_bytes]
