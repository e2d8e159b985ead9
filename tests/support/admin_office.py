"""The admin service for tests: a database of either kind, a clock that the test sets, users, and their browsers."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from admin._clock import Surroundings
from admin.access import Visitor, visitor_of
from admin.database import Database
from admin.models.people import WHOLE_GROUP, RoleAssignment, User
from admin.people.passwords import TOTP_PURPOSE, hash_password, new_totp_secret, seal_totp, totp_code
from admin.people.tokens import NOT_BY_TOKEN, make_token
from admin.projection.projector import put_images
from admin.service import Service
from admin.settings import Settings
from switch.protocol.layout import Packed
from switch.protocol.messages import OrganisationNode
from switch.protocol.records import (
    FIRST_WIDE_KEY_KIND,
    CardRecord,
    CardTypeRecord,
    OrganisationRecord,
    StoreRecord,
)
from tests.support.admin_apps import give_back, take_app

NOON_MS = 1_767_268_800_000
"""2026-01-01 12:00 UTC."""
PASSWORD = "correct horse battery staple"
HQ, NORTH, SOUTH = 1, 2, 3
NORTH_STORE, SOUTH_STORE = 21, 31
NORTH_CARD, SOUTH_CARD = 6222_0201_0003_4533, 6222_0201_0005_3228
CSRF = re.compile(r'name="_csrf_token" value="(\w+)"')
logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each of some ten thousand requests


@dataclass
class World:
    """Time and chance, as the test wants them."""

    now_ms: int = NOON_MS
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def surroundings(self) -> Surroundings:
        return Surroundings(lambda: self.now_ms, self._random, lambda _: None)

    def _random(self, size_bytes: int) -> bytes:
        return struct.pack(">Q", next(self._numbers)).rjust(size_bytes, b"\x5a")[-size_bytes:]


class Browser:
    """Goes to pages as a browser does: keeps cookies, sends the forms' token, stays where it is sent."""

    def __init__(self, client: TestClient[Litestar], language: str = "en") -> None:
        self.client = client
        client.headers["accept-language"] = language

    def get(self, address: str, **headers: str) -> httpx.Response:
        return self.client.get(address, headers=headers, follow_redirects=False)

    def post(self, address: str, fields: Mapping[str, Any] | None = None, *, page: str | None = None) -> httpx.Response:
        """Load the page with the form, then send it."""
        token = self.token(page or address)
        return self.client.post(address, data={"_csrf_token": token, **(fields or {})}, follow_redirects=False)

    def token(self, page: str) -> str:
        found = CSRF.search(self.client.get(page, follow_redirects=True).text)
        assert found is not None, page
        return found[1]

    def sign_in(self, name: str, password: str = PASSWORD, code: str = "") -> httpx.Response:
        return self.post("/login", {"name": name, "password": password, "code": code})


class Office:
    """A service on a database, with a clock."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.world = World()
        self.database = database
        self.settings = Settings(data=str(folder), locale="en")
        self.app = take_app(self.settings, database, self.world.surroundings())
        self.service: Service = self.app.state.service
        self.secrets: dict[str, str] = {}
        self._numbers = count(100)
        self._browser_count = 0

    def close(self) -> None:
        """Hand the application on."""
        give_back(self.app)

    @contextmanager
    def browser(self, name: str | None = None) -> Iterator[Browser]:
        """A fresh browser, signed on as somebody."""
        is_first = not self._browser_count
        self._browser_count += 1
        try:
            # A second one beside the first does without a thread of its own: Litestar's client leaves streams open.
            with TestClient(self.app) if is_first else nullcontext(TestClient(self.app)) as client:
                browser = Browser(client)
                if name is not None:
                    code = self.code(name) if name in self.secrets else ""
                    answer = browser.sign_in(name, code=code)
                    assert answer.status_code == 303, answer.text
                yield browser
        finally:
            self._browser_count -= 1

    def code(self, name: str) -> str:
        """A dynamic password that was not used yet: half a minute passes for each."""
        self.world.now_ms += 30_000
        return totp_code(self.secrets[name], self.world.now_ms // 1000)

    def add_user(self, name: str, *roles: str, organisation_id: int = WHOLE_GROUP, totp: bool = False) -> int:
        """A user whose password is `PASSWORD`, past its first sign-on."""
        with self.database.write() as session:
            user = User(
                name=name,
                full_name=name.title(),
                organisation_id=organisation_id,
                password_hash=hash_password(PASSWORD),
                must_change_password=False,
                created_at=self.service.now(),
            )
            session.add(user)
            session.flush()
            if totp:
                secret = self.secrets[name] = new_totp_secret(name.encode().ljust(20, b"-"))
                user.totp_sealed = seal_totp(self.service, TOTP_PURPOSE, secret, user.id)
            session.add_all(
                RoleAssignment(user_id=user.id, role=role, given_by=user.id, given_at=self.service.now())
                for role in roles
            )
            return user.id

    def visitor(self, name: str, *, is_stepped_up: bool = True) -> Visitor:
        """A user as the functions behind pages see him."""
        with self.database.read() as session:
            user = session.scalars(select(User).where(User.name == name)).one()
            fresh_until = self.service.now() + timedelta(minutes=5) if is_stepped_up else None
            return visitor_of(session, user, "test", b"", fresh_until)

    def token(self, name: str, *scopes: str, is_stepped_up: bool = True) -> str:
        """A token of a user; with all his rights when none are named."""
        visitor = self.visitor(name, is_stepped_up=is_stepped_up)
        wanted = scopes or sorted(visitor.rights - NOT_BY_TOKEN)
        return make_token(self.service, visitor, name="test", scopes=wanted, days=30)[1]

    @contextmanager
    def program(self, token: str) -> Iterator[TestClient[Litestar]]:
        """A program that shows a token."""
        is_first = not self._browser_count
        self._browser_count += 1
        try:
            with TestClient(self.app) if is_first else nullcontext(TestClient(self.app)) as client:
                client.headers["authorization"] = f"Bearer {token}"
                client.headers["accept-language"] = "en"
                yield client
        finally:
            self._browser_count -= 1

    def put(self, *records: Packed) -> None:
        """Rows of records, as the follower writes them."""
        with self.database.writer.begin() as connection:
            for record in records:
                image = record.encode()
                is_wide = image[0] >= FIRST_WIDE_KEY_KIND
                key = image[8:32] if is_wide else int.from_bytes(image[8:16], "little", signed=True)
                put_images(connection, image[0], {key: image})

    def put_two_regions(self) -> None:
        """A group with a region in the north and one in the south, a store each, a card that each issued."""
        self.put(
            CardTypeRecord(code=1, key=1),
            OrganisationRecord(organisation_id=HQ, node=OrganisationNode.HQ, name=b"HQ".ljust(40, b"\0")),
            OrganisationRecord(organisation_id=NORTH, node=OrganisationNode.REGION, parent_id=HQ),
            OrganisationRecord(organisation_id=SOUTH, node=OrganisationNode.REGION, parent_id=HQ),
            OrganisationRecord(organisation_id=NORTH_STORE, node=OrganisationNode.STORE, parent_id=NORTH),
            OrganisationRecord(organisation_id=SOUTH_STORE, node=OrganisationNode.STORE, parent_id=SOUTH),
            StoreRecord(store_id=NORTH_STORE, organisation_id=NORTH_STORE),
            StoreRecord(store_id=SOUTH_STORE, organisation_id=SOUTH_STORE),
            card(NORTH_CARD, NORTH_STORE),
            card(SOUTH_CARD, SOUTH_STORE),
        )


def card(number: int, organisation_id: int) -> CardRecord:
    """An active card of type 1 with an account of its own."""
    return CardRecord(
        card_number=number, account_number=number, card_type=1, status=1, issuing_organisation_id=organisation_id
    )
