"""What ceremonies, the keyring and the key log can refuse, by name. No message holds bytes of a key or component."""

from hsm.errors import HsmError


class PersonNameError(HsmError):
    """A name or moment that cannot be kept."""


class SamePersonError(HsmError):
    """One person where two were needed."""


# Components


class ComponentFormError(HsmError):
    """Text that is no component of this length."""


class ComponentCheckError(HsmError):
    """A component, or the key that they make, does not fit its check value."""


class ComponentCountError(HsmError):
    """Too few or too many components."""


class FormTakenError(HsmError):
    """A sealed form is given out once; this one was."""


# Keyring


class KeyringMissingError(HsmError):
    """No keyring at this path."""


class KeyringExistsError(HsmError):
    """A new keyring would overwrite one."""


class KeyringAlteredError(HsmError):
    """Not a keyring, one that was damaged, or one that somebody else than the backend's owner wrote."""


class KeyringSealUnknownError(KeyringAlteredError):
    """The keyring was sealed by a LOG key that this backend has not: a younger one, or the file is another's."""


class KeyringChangedError(HsmError):
    """Another process changed the keyring since this one read it."""


class KeyringBusyError(HsmError):
    """Another process is changing the keyring at this moment."""


class KeyringFullError(HsmError):
    """More keys and history than a keyring file takes."""


class KeyringEntryError(HsmError):
    """No such key, or one of that name already."""


class KeyStateError(HsmError):
    """The key's state does not allow this."""


class KeyLengthError(HsmError):
    """A key of a length that its purpose does not have."""


# Key log


class LogMissingError(HsmError):
    """No key log at this path."""


class LogExistsError(HsmError):
    """A new key log would overwrite one."""


class LogTornError(HsmError):
    """The last line was cut by a crash; `repair` removes it, and says so in the log."""


class LogBrokenError(HsmError):
    """A line that does not follow from the one before it: altered, removed or inserted."""


class LogTruncatedError(HsmError):
    """The log ends before the line that the keyring knows as done."""
