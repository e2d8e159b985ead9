"""`cardswitch keys follow-plan`: does at the key house what two persons have agreed to on the admin service's pages.

The web service holds no passphrase and no key.  It keeps orders: which key
goes to which state, who made the order and who agreed.  This command, started
where the passphrase is, takes each step on both sides (keyring and switch) in
the names of these two, and reports; killed at any moment it is started again
and goes on, since every step first looks what is done already.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hsm.errors import HsmError
from hsm.key_states import KeyState, Purpose
from hsm.people import TwoPeople
from switch._clock import now_ms
from switch._directory import DirectoryError
from switch.protocol.messages import KeyState as SwitchKeyState
from switch.protocol.messages import MessageType

from .desk import Desk, Switch, at_desk
from .key_agreements import NotSignedError, OfficerBook
from .key_background import RECORDS_PER_SECOND, rewrap_records
from .key_house import KeyHouse
from .key_house_orders import facts_of, take_house_step
from .key_officers import HOUSE, House, Officers
from .key_plan import NAMES
from .key_steps import KeySteps
from .keys import app, retire_checked
from .output import CommandError

if TYPE_CHECKING:
    from admin.keys.facts import DeskFacts
    from admin.keys.order import KeyOrder
    from admin.service import Service

LOOK_S = 1.0
"""Between two looks for an order: two persons have taken minutes to agree."""
TELL_EVERY_MS = 30_000
"""The keyring's facts are told anew that often: somebody may have changed it at the command line."""


@app.command(name="follow-plan")
def follow_plan(*, watch: bool = False, house: House = HOUSE) -> int:
    """Do what two persons have ordered and agreed to on the pages of the admin service; who they are comes from there.

    For example:
        cardswitch keys follow-plan --data build/mine
        cardswitch keys follow-plan --data build/mine --watch

    Each step is taken on both sides, keyring and switch, and noted on the
    order's page. `cardswitch up` keeps one running when the passphrase is given
    to it in a file. `cardswitch keys officers` has the list of those whose passkeys
    must have signed an order; with nobody on it orders are followed unsigned.

    Parameters
    ----------
    watch
        Go on until SIGTERM; without it end when nothing is left to do.
    """
    is_stopping = threading.Event()
    if watch:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: is_stopping.set())
    with opened_service(house.directory) as service:
        key_desk = KeyDesk(service, house)
        if not watch:
            count = key_desk.do_all()
            print(f"{count} steps were done or refused; the pages have the rest")
            return 0
        while not is_stopping.is_set():
            key_desk.look()
            is_stopping.wait(LOOK_S)
    return 0


@contextmanager
def opened_service(data: Path) -> Iterator[Service]:
    """The admin service of a data directory, without its web server."""
    from admin.database import Database
    from admin.service import Service
    from admin.settings import read_settings

    from .admin import settings_path

    settings = read_settings(settings_path(data))
    database = Database(settings.url)
    try:
        yield Service(settings, database)
    finally:
        database.close()


def switch_of(service: Service) -> Switch:
    """The switch that an admin service works on."""
    settings = service.settings
    return Switch(connect=f"{settings.switch_host}:{settings.switch_port}", operator_key=Path(settings.switch_key))


class KeyDesk:
    """Takes orders of one admin service to one key house and its switch."""

    def __init__(self, service: Service, house: House) -> None:
        self._service, self._house = service, house
        self._switch = switch_of(service)
        self._told_ms = 0
        self._problem = ""
        self._unsigned: dict[int, str] = {}
        """Orders that wait for a signature, and for whose."""

    def do_all(self) -> int:
        """Every agreed step, until none is left; how many. `CommandError` when one cannot even be tried."""
        from admin.keys.facts import tell
        from admin.keys.order import next_order

        count = 0
        self._unsigned.clear()
        while (order := next_order(self._service, self._unsigned)) is not None:
            self._do(order)
            count += order.document_id not in self._unsigned
        self._tell_facts()
        if self._unsigned:
            tell(self._service, problem=next(iter(self._unsigned.values())))
        return count

    def look(self) -> None:
        """What there is to do now; what keeps it from being done is told on the pages and tried again."""
        from sqlalchemy.exc import SQLAlchemyError

        from admin.errors import AdminError
        from admin.keys.facts import tell
        from admin.keys.order import next_order

        problem = ""
        try:
            self._unsigned.clear()
            while (order := next_order(self._service, self._unsigned)) is not None:
                self._do(order)
                if order.document_id not in self._unsigned:
                    break
            if order is not None or self._problem or now_ms() - self._told_ms >= TELL_EVERY_MS:
                self._tell_facts()
            problem = next(iter(self._unsigned.values()), "")
        except (CommandError, HsmError, DirectoryError, OSError, AdminError) as error:
            problem = str(error).partition("\n")[0]
        except SQLAlchemyError:
            return  # the database is away: the next look tries again
        if problem != self._problem or (problem and now_ms() - self._told_ms >= TELL_EVERY_MS):
            self._problem, self._told_ms = problem, now_ms()
            tell(self._service, problem=problem)

    def _do(self, order: KeyOrder) -> None:
        """One step; a refusal ends its document, an obstacle leaves it as it is."""
        from admin.documents.house_kinds import HOUSE_KEYS
        from admin.keys.order import note_order

        refused: list[str] = []

        async def work(desk: Desk) -> int:
            with self._house.open(writable=order.purpose in HOUSE_KEYS) as keys:
                book = OfficerBook(keys)  # one that was altered keeps everything from being done
                try:
                    officers = officers_of(self._service, book, order)
                    keys.keyring.repair_log(officers.people)
                    sentence = await self._take(keys, desk, officers, order)
                except NotSignedError as error:
                    self._unsigned[order.document_id] = str(error)
                except CommandError as error:
                    refused.append(str(error))
                else:
                    note_order(self._service, order, note=sentence, is_done=True)
                    has_ended(self._service, book, order)
            return 0

        at_desk(self._switch, work)
        if refused:
            note_order(self._service, order, note=refused[0], is_done=False)

    async def _take(self, keys: KeyHouse, desk: Desk, officers: Officers, order: KeyOrder) -> str:
        from admin.documents.house_kinds import HOUSE_KEYS

        if order.type is MessageType.REWRAP_KEY:
            wrapped = Purpose(order.purpose)
            return await rewrap_records(desk, self._house.directory, wrapped, order.version, RECORDS_PER_SECOND)
        if order.purpose in HOUSE_KEYS:
            return take_house_step(keys, self._house.directory, officers, order)
        steps = KeySteps(keys, desk, officers)
        purpose, version = Purpose(order.purpose), order.version
        name = f"{NAMES[purpose]} {version}"
        state = KeyState[SwitchKeyState(order.state).name]
        if state is KeyState.NEW:
            known = next((one for one in await steps.versions(purpose) if one.number == version), None)
            if known is None or known.ring is None:
                steps.add(purpose, version)
            await steps.announce(purpose, version)
            found = await steps.version(purpose, version)
            return f"{name} is loaded, check value {found.ring_check.hex().upper()}"
        if state is KeyState.ACTIVE:
            await steps.activate(purpose, version)
            return f"{name} is ACTIVE"
        if state is KeyState.VERIFY_ONLY:
            await steps.withdraw(purpose, version)
            return f"{name} is VERIFY_ONLY"
        if state is KeyState.RETIRED:
            return await retire_checked(steps, purpose, version, desk, self._house, order.stops)
        await steps.destroy(purpose, version)
        return f"{name} is DESTROYED"

    def _tell_facts(self) -> None:
        """The keyring's side, for the pages; never a key."""
        from admin.keys.facts import tell

        found: list[DeskFacts] = []

        async def work(desk: Desk) -> int:
            with self._house.open() as keys:
                found.append(await facts_of(keys, desk, self._house.directory))
            return 0

        at_desk(self._switch, work, only_reads=True)
        tell(self._service, facts=found[0])
        self._told_ms, self._problem = now_ms(), ""


def officers_of(service: Service, book: OfficerBook, order: KeyOrder) -> Officers:
    """Who ordered and who agreed: as their passkeys say, once the key house has a list of officers.

    `NotSignedError` while a signature is missing; `CommandError` for one that is not good.
    """
    names = book.check(service, order) if book.officers else (order.author, order.approver)
    return Officers(TwoPeople(*names, now_ms()), order.author_id, order.approver_id)


def has_ended(service: Service, book: OfficerBook, order: KeyOrder) -> None:
    """Note an order whose last step was taken: what was signed of it is good for nothing more."""
    from admin.models.documents import Document, DocumentState

    with service.database.read() as session:
        is_open = session.get_one(Document, order.document_id).state == DocumentState.RUNNING
    if not is_open:
        book.finished(service, order)
