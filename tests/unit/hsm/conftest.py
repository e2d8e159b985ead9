import itertools

import pytest

from hsm._memory import KeyPage
from hsm.pkcs11 import Pkcs11Backend
from hsm.software import TRAINING_COST, SoftwareBackend
from tests.support.softhsm import SoftHsm

PASSPHRASE = b"four words or more, please"


@pytest.fixture
def page():
    with KeyPage() as page:
        yield page


@pytest.fixture(scope="session")
def soft_hsm(tmp_path_factory):
    soft_hsm = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(soft_hsm.configuration))
        yield soft_hsm


@pytest.fixture(scope="session")
def labels():
    return (f"test {number}" for number in itertools.count())


@pytest.fixture
def token(soft_hsm, labels):
    """A new, empty SoftHSM token."""
    return soft_hsm.new_token(next(labels))


class Keeper:
    """A place for keys, of one kind or the other, that can be opened again and again. Closes what is still open."""

    def __init__(self, new, again):
        self._new, self._again, self._opened = new, again, []

    def new(self):
        self._opened.append(self._new())
        return self._opened[-1]

    def again(self):
        self._opened.append(self._again())
        return self._opened[-1]

    def close(self):
        for backend in self._opened:
            backend.close()


@pytest.fixture
def software(tmp_path):
    path = tmp_path / "keystore"
    keeper = Keeper(
        lambda: SoftwareBackend.create(path, PASSPHRASE, cost=TRAINING_COST),
        lambda: SoftwareBackend.open(path, PASSPHRASE),
    )
    yield keeper
    keeper.close()


@pytest.fixture
def pkcs11(token):
    def opened():
        return Pkcs11Backend.open(token.module_path, token.label, token.pin)

    keeper = Keeper(opened, opened)
    yield keeper
    keeper.close()


@pytest.fixture(params=["software", "pkcs11"])
def keeper(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def backend(keeper):
    return keeper.new()
