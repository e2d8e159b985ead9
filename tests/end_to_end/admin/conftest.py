"""Pages before a real switch: `shop` is a service on a fresh database beside a switch that the module shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.admin_databases import fresh_database, migrated_sqlite, postgresql_url  # noqa: F401
from tests.support.admin_shop import Shop, running_shop
from tests.support.desk import Desk, make_shop
from tests.support.switch_process import SwitchProcess
from tests.unit.admin.conftest import cheap_hashes  # noqa: F401

CARDS = range(6222_0201_1000_0001, 6222_0201_1000_0033)
CARD_MINOR = 100_00


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    """A running switch with a store, a till, a card type and cards with money."""
    folder = tmp_path_factory.mktemp("switch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        data = make_shop(folder / "data")
        _open_cards(data)
        with SwitchProcess(data) as process:
            yield process


def _open_cards(data: Path) -> None:
    desk = Desk(data)
    for number in CARDS:
        desk.open_card(number)
        assert desk.credit(CARD_MINOR, card=number).code == 0
    desk.commit()


@pytest.fixture(scope="module")
def card_numbers():
    """Active cards with 100.00 each that no test has touched yet: `next(card_numbers)`."""
    return iter(CARDS)


@pytest.fixture
def database(request, tmp_path):
    """SQLite, unless the test asks for the other one: what differs between them is tested in tests/unit/admin."""
    database = fresh_database(getattr(request, "param", "sqlite"), request, tmp_path)
    yield database
    database.close()


@pytest.fixture
def shop(database, switch) -> Iterator[Shop]:
    """The service; a page's wait for a document sends it and follows the journal at once."""
    with running_shop(database, switch) as shop:
        yield shop
