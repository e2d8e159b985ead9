"""A keyring with a software backend in a folder, for tests in this process and for children that are killed."""

from contextlib import contextmanager
from pathlib import Path

from hsm._memory import KeyPage
from hsm._seal import TRAINING_COST
from hsm.backend import KeyUse
from hsm.keyring import Keyring
from hsm.people import TwoPeople
from hsm.software import SoftwareBackend

SECRET = b"correct horse battery staple"
BOTH = TwoPeople("Li Wei", "Zhang Min", 1_795_000_000_000)


def create(folder: Path) -> None:
    """Backend with KEKs 1 and 2 and LOG keys 1 and 2, and an empty keyring."""
    with SoftwareBackend.create(folder / "backend", SECRET, cost=TRAINING_COST) as backend, KeyPage() as page:
        for version in (1, 2):
            backend.generate(KeyUse.KEK, version, 0)
            backend.generate(KeyUse.LOG, version, 0)
        Keyring.create(folder / "keyring", folder / "log", backend, 1, page)


@contextmanager
def opened(folder: Path):
    """Keyring, backend and page, as after a start of the process."""
    with SoftwareBackend.open(folder / "backend", SECRET, writable=False) as backend, KeyPage() as page:
        yield open_with(folder, backend, page), backend, page


def open_with(folder: Path, backend: SoftwareBackend, page: KeyPage) -> Keyring:
    """One more keyring object on the same files."""
    return Keyring.open(folder / "keyring", folder / "log", backend, page)
