"""How our purposes are told in TR-31 headers.

Usages of two digits are left by X9.143 to agreement; ours are 10 to 12.
"""

from hsm.data_errors import KeyBlockUnsupportedError
from hsm.key_states import Purpose
from hsm.tr31 import KeyBlockHeader

# Usage, algorithm (A AES, T TDES, H HMAC), mode of use (B both ways, C MAC both ways, X derive other keys).
_FIELDS = {
    Purpose.STORAGE: ("D0", "A", "B"),
    Purpose.PIN: ("V0", "A", "C"),
    Purpose.RECEIPT: ("M6", "A", "C"),
    Purpose.CHIP: ("E0", "A", "X"),
    Purpose.CODE: ("10", "A", "X"),
    Purpose.JITTER: ("11", "A", "X"),
    Purpose.STRIPE: ("C0", "T", "C"),
    Purpose.TAG: ("12", "A", "X"),
}


def header_of(purpose: Purpose, version: int) -> KeyBlockHeader:
    """Header for a key that leaves; its receiver must not pass it on (N). The version in two hexadecimal digits."""
    usage, algorithm, mode = _FIELDS[purpose]
    return KeyBlockHeader(usage, algorithm, mode, f"{version:02X}", "N")


def check_purpose(header: KeyBlockHeader, purpose: Purpose) -> None:
    """Raise `KeyBlockUnsupportedError` unless a header is of a key for this purpose."""
    expected = _FIELDS.get(purpose)
    found = (header.key_usage, header.algorithm, header.mode_of_use)
    if expected is None:
        raise KeyBlockUnsupportedError(
            f"expected a purpose whose keys travel in key blocks, got {purpose.name}: combine it from components"
        )
    if found != expected:
        raise KeyBlockUnsupportedError(
            f"expected a key block of {'/'.join(expected)} for {purpose.name}, got {'/'.join(found)}: ask the sender"
        )
