"""The admin service before a real switch: what a page orders is sent and followed at once, in one process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from admin._clock import Surroundings
from admin.database import Database
from admin.documents.sender import sender_of
from admin.documents.sending import Sender
from admin.documents.terminals import HEADQUARTERS, key_path
from admin.follower import Follower
from admin.settings import Settings
from admin.switch_link import SwitchLink, read_key_file
from cardswitch.admin import enrol, init
from switch._clock import now_ms
from tests.support.admin_apps import serve_with
from tests.support.admin_office import Office, World
from tests.support.switch_process import SwitchProcess


class Shop(Office):
    """A service, its sender and its follower beside a running switch; `settle()` lets both catch up.

    The pages' wait for a small document settles by itself, so a test reads the
    outcome on the page that comes next.
    """

    def __init__(self, database: Database, switch: SwitchProcess) -> None:
        self.switch = switch
        folder = switch.data / "admin"
        if not (folder / "admin.toml").exists():
            host, port = switch.address
            init(data=switch.data, connect=f"{host}:{port}")
        super().__init__(database, folder)
        self.world = World(now_ms())  # the switch lives in the present
        host, port = switch.address
        self.settings = Settings(
            data=str(folder),
            locale="en",
            switch_host=host,
            switch_port=port,
            switch_key=str(switch.data / "operator.key"),
        )
        if not key_path(self.settings, HEADQUARTERS).exists():
            enrol(data=switch.data)
        self.open()

    def open(self) -> None:
        """(Re)start service, sender and follower on what is on disk."""
        self.app = serve_with(self.app, self.settings, self.database, self.surroundings())
        self.service = self.app.state.service
        self.sender: Sender = sender_of(self.settings, self.database, self.surroundings())
        key = read_key_file(Path(self.settings.switch_key))
        self.follower = Follower(
            self.database,
            self.settings.partition,
            lambda: SwitchLink(self.settings.switch_host, self.settings.switch_port, key, os.urandom),
            self.surroundings(),
        )
        self.follower.catch_up()

    def settle(self) -> None:
        """Send all that is to be sent, then follow the journal to its end."""
        while self.sender.work():
            pass
        self.follower.catch_up()

    def surroundings(self) -> Surroundings:
        """The test's clock, real chance, and pauses in which the others work."""
        return Surroundings(lambda: self.world.now_ms, os.urandom, lambda _: self.settle())


@contextmanager
def running_shop(database: Database, switch: SwitchProcess) -> Iterator[Shop]:
    """A shop that gives its connections back."""
    shop = Shop(database, switch)
    try:
        yield shop
    finally:
        shop.sender.close()
        shop.close()
