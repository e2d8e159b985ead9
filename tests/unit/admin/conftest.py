import pytest
from argon2 import PasswordHasher

from admin.people import passwords
from tests.support.admin_databases import KINDS, fresh_database, migrated_sqlite, postgresql_url  # noqa: F401
from tests.support.admin_office import Office
from tests.support.admin_records import watch_records


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch):
    """A live hash costs 64 MB and a tenth of a second each."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    passwords.hash_of_nobody.cache_clear()


@pytest.fixture(params=KINDS)
def database(request, tmp_path):
    """A fresh database of each kind in turn."""
    database = fresh_database(request.param, request, tmp_path)
    yield database
    database.close()


@pytest.fixture
def office(database, tmp_path):
    """A service with nobody in it; whatever a test asks of it, no change may go without a record."""
    office = Office(database, tmp_path)
    with watch_records(office.app, database) as unrecorded:
        yield office
    office.close()
    assert unrecorded == []
