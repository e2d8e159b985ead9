"""What data from outside can be refused for, by name. No message holds a key, a PIN or a whole card number."""

from hsm.errors import HsmError


class DataError(HsmError):
    """Base of what the standards and card formats refuse."""


class WrongFieldError(DataError):
    """A field of a length, range or alphabet that the format does not have."""


class CardDataError(DataError):
    """A bar code, stripe or card answer that is not of our form."""


class PinBlockError(DataError):
    """Not a PIN block of this format, this key and this card."""


class TagDataError(DataError):
    """A tag's message that does not decipher to what a tag of ours says."""


# TR-31


class KeyBlockFormError(DataError):
    """Not a key block: length, alphabet or header fields that cannot be."""


class KeyBlockUnsupportedError(DataError):
    """A key block of a version, algorithm or use that we do not take."""


class KeyBlockTamperedError(DataError):
    """The authenticator does not fit: another KBPK, or someone altered the block."""


class KeyBlockNotExportableError(DataError):
    """A key that its header says must not leave."""
