"""What the key store can refuse, by name. No message ever holds bytes of a key, a passphrase or a PIN.

Each message says what was expected, what came and what to do. Where more detail would help someone who feeds
us forged blobs, the message is the same for every cause (`KeyTamperedError`).
"""


class HsmError(Exception):
    """Base of everything that `hsm` raises on purpose."""


# Memory


class LockedMemoryShortError(HsmError):
    """The system does not lock as much memory as a key page needs."""


class KeyPageFullError(HsmError):
    """All slots of a key page are taken."""


class KeyPageClosedError(HsmError):
    """The page was closed, the slot was wiped, or this is a forked child, whose copy the kernel filled with zeros."""


# Keys


class KeyNotFoundError(HsmError):
    """No key of this use and version: never made, or destroyed."""


class KeyExistsError(HsmError):
    """There already is a key of this use and version; keys are never overwritten."""


class KeyTamperedError(HsmError):
    """A wrapped key does not open to what its check value promises. One error for every cause."""


class WrongKeyLengthError(HsmError):
    """A key of a length that this use does not have."""


class WrongKeyNameError(HsmError):
    """A use or version that cannot be."""


class WrongMessageLengthError(HsmError):
    """Nothing to authenticate, or more than `MESSAGE_BYTES_MAX`."""


class CipherError(HsmError):
    """libcrypto failed where it never should."""


class BackendClosedError(HsmError):
    """The backend was closed before."""


# The software keystore


class KeystoreMissingError(HsmError):
    """No keystore at this path."""


class KeystoreExistsError(HsmError):
    """A new keystore would overwrite one."""


class KeystoreBusyError(HsmError):
    """Another process has the keystore open for writing."""


class KeystoreReadOnlyError(HsmError):
    """A reader was asked to change the keystore."""


class KeystoreTornError(HsmError):
    """The file is shorter or longer than it says: a copy that was cut, never a crash of ours."""


class KeystoreAlteredError(HsmError):
    """The file's content changed after it was sealed."""


class KeystoreUnknownError(HsmError):
    """Not a keystore, or one of another version of the format."""


class KeystoreNotOpenedError(HsmError):
    """The passphrase or the components are not those of this keystore (or its header was altered on purpose)."""


class KeystoreUnwritableError(HsmError):
    """The operating system refused to write the keystore; the old one is as it was."""


class KeystoreUncertainError(HsmError):
    """The new keystore is in place, but whether it outlives a power cut is not known; the backend closed itself."""


class SealTooCheapError(HsmError):
    """A passphrase or a cost below the least that protects a keystore."""


# The PKCS#11 token


class TokenUnavailableError(HsmError):
    """No module, no token of this label, or a token that stopped answering. Opening it again may help."""


class TokenPinRefusedError(HsmError):
    """The token did not take the PIN, or its PIN is locked."""


class TokenTimeoutError(HsmError):
    """The token did not answer in time; whether the operation happened is not known."""


class TokenRefusedError(HsmError):
    """The token answered with an error that has no better name; the message holds its code."""
