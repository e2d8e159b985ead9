"""AES-CMAC, AES and TDES blocks over any buffer, so that a key may stay in a slot of locked memory."""

from typing import TYPE_CHECKING

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from hsm.data_errors import WrongFieldError

if TYPE_CHECKING:
    from typing_extensions import Buffer as Buffer
else:
    Buffer = object

AES_KEY_BYTES = (16, 24, 32)
AES_BLOCK_BYTES = 16
TDES_KEY_BYTES = (16, 24)  # two keys (K1 K2, then K1 again) or three
TDES_BLOCK_BYTES = 8


def key_view(key: Buffer, lengths: tuple[int, ...], what: str) -> memoryview:
    """A key's bytes without a copy; `WrongFieldError` for a length that is not among `lengths`."""
    view = memoryview(key).cast("B")
    if len(view) not in lengths:
        expected = " or ".join(str(length) for length in lengths)
        raise WrongFieldError(f"expected {what} of {expected} bytes, got {len(view)}: pass the whole key and no more")
    return view


def aes_cmac(key: Buffer, message: Buffer) -> bytes:
    """AES-CMAC of RFC 4493 and SP 800-38B, 16 bytes; keys of 16, 24 or 32 bytes."""
    mac = CMAC(algorithms.AES(key_view(key, AES_KEY_BYTES, "an AES key")))
    mac.update(memoryview(message))  # type: ignore[arg-type] # declared bytes, takes any buffer
    return mac.finalize()


def aes_encrypt(key: Buffer, blocks: bytes) -> bytes:
    """AES-ECB over whole blocks: only for formats that name it."""
    encryptor = Cipher(algorithms.AES(key_view(key, AES_KEY_BYTES, "an AES key")), modes.ECB()).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def aes_decrypt(key: Buffer, blocks: bytes) -> bytes:
    """Undoes `aes_encrypt`."""
    decryptor = Cipher(algorithms.AES(key_view(key, AES_KEY_BYTES, "an AES key")), modes.ECB()).decryptor()
    return decryptor.update(blocks) + decryptor.finalize()


def aes_cbc_encrypt(key: Buffer, vector: bytes, blocks: Buffer) -> bytes:
    """AES-CBC over whole blocks, no padding."""
    encryptor = Cipher(algorithms.AES(key_view(key, AES_KEY_BYTES, "an AES key")), modes.CBC(vector)).encryptor()
    return encryptor.update(memoryview(blocks)) + encryptor.finalize()


def aes_cbc_decrypt(key: Buffer, vector: bytes, blocks: bytes) -> bytearray:
    """Undoes `aes_cbc_encrypt`; into memory that the caller can wipe."""
    decryptor = Cipher(algorithms.AES(key_view(key, AES_KEY_BYTES, "an AES key")), modes.CBC(vector)).decryptor()
    clear = bytearray(len(blocks) + AES_BLOCK_BYTES)  # update_into wants room for one more block
    decryptor.update_into(blocks, clear)
    decryptor.finalize()
    del clear[len(blocks) :]
    return clear


def _tdes(key: Buffer, blocks: bytes, encrypt: bool) -> bytes:
    view = key_view(key, TDES_KEY_BYTES, "a TDES key")
    whole = bytearray(24)  # the cipher wants K1 K2 K3; wiped below
    whole[: len(view)] = view
    if len(view) == 16:
        whole[16:] = view[:8]
    try:
        cipher = Cipher(TripleDES(whole), modes.ECB())  # type: ignore[arg-type] # declared bytes, takes any buffer
        context = cipher.encryptor() if encrypt else cipher.decryptor()
        return context.update(blocks) + context.finalize()
    finally:
        whole[:] = bytes(24)


def tdes_encrypt(key: Buffer, blocks: bytes) -> bytes:
    """TDES-ECB over whole blocks of 8 bytes: only for formats that name it."""
    return _tdes(key, blocks, True)


def tdes_decrypt(key: Buffer, blocks: bytes) -> bytes:
    """Undoes `tdes_encrypt`."""
    return _tdes(key, blocks, False)


def des_encrypt(key: Buffer, block: bytes) -> bytes:
    """Single DES (TDES with three equal keys): only a step inside CVV."""
    view = key_view(key, (8,), "a DES key")
    whole = bytearray(24)
    for start in (0, 8, 16):
        whole[start : start + 8] = view
    try:
        return _tdes(whole, block, True)
    finally:
        whole[:] = bytes(24)


def xor(left: bytes, right: bytes) -> bytes:
    """Bitwise exclusive or of two strings of one length."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def digits(text: str, lengths: range, what: str) -> str:
    """`text` if it is ASCII digits of an allowed length, else `WrongFieldError`, which shows only the length."""
    if len(text) not in lengths or not (text.isascii() and text.isdigit()):
        span = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
        raise WrongFieldError(f"expected {what} of {span} digits, got {len(text)} characters: pass digits only")
    return text


def field(data: Buffer, length: int, what: str) -> bytes:
    """`data` as bytes if it has just that length, else `WrongFieldError`."""
    content = bytes(data)
    if len(content) != length:
        raise WrongFieldError(
            f"expected {what} of {length} bytes, got {len(content)}: pass the whole field and no more"
        )
    return content


def number(value: int, allowed: range, what: str) -> int:
    """`value` if it is within `allowed`, else `WrongFieldError`."""
    if type(value) is bool or not isinstance(value, int) or value not in allowed:
        raise WrongFieldError(f"expected {what} from {allowed[0]} to {allowed[-1]}, got {value!r}: choose one within")
    return value
