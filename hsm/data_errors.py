"""What data from outside can be refused for, by name. No message holds a key, a PIN or a whole card number."""

from hsm.errors import HsmError


class DataRefused(HsmError):
    """Base of what the standards and card formats refuse."""


class WrongField(DataRefused):
    """A field of a length, range or alphabet that the format does not have."""


class WrongCardData(DataRefused):
    """A bar code, stripe or card answer that is not of our form."""


class WrongPinBlock(DataRefused):
    """Not a PIN block of this format, this key and this card."""


class WrongTagData(DataRefused):
    """A tag's message that does not decipher to what a tag of ours says."""


# TR-31


class KeyBlockMalformed(DataRefused):
    """Not a key block: length, alphabet or header fields that cannot be."""


class KeyBlockUnsupported(DataRefused):
    """A key block of a version, algorithm or use that we do not take."""


class KeyBlockTampered(DataRefused):
    """The authenticator does not fit: another KBPK, or someone altered the block."""


class KeyBlockNotExportable(DataRefused):
    """A key that its header says must not leave."""
