"""`cardswitch keys attend`: holds at the key house the ceremony that two persons have ordered on the pages.

Components are typed here and nowhere else; the pages hear check values, which each custodian compares there in a
session of his own. Killed or stopped at any moment, nothing was made: the key exists only when all have compared.
"""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hsm._cipher import check_value, random_into
from hsm._memory import KeySlot
from hsm.components import Assembly, Split
from hsm.errors import HsmError
from hsm.key_states import KEY_BYTES, Purpose
from hsm.keyring_errors import ComponentCheckError, ComponentFormError

from .desk import Desk, at_desk
from .key_agreements import NotSignedError, OfficerBook
from .key_custody import TRIES
from .key_house import KeyHouse
from .key_officers import HOUSE, House, Officers
from .key_orders import has_ended, officers_of, opened_service, switch_of
from .key_plan import NAMES
from .key_steps import KeySteps, change_ring, kek_version
from .keys import app
from .output import CommandError

if TYPE_CHECKING:
    from admin.keys.ceremony import CeremonyOrder, LogPlace
    from admin.service import Service

LOOK_S = 0.5
"""Between two looks whether somebody has compared."""
COMPARE_MINUTES_MAX = 30
"""Longer nobody waits in a room: the ceremony ends, and nothing was made."""
CLEAR = "\033[2J\033[3J\033[H"
"""Takes a component off the screen and out of the terminal's memory (ECMA-48, and xterm's own)."""


@app.command
def attend(order: int, /, *, house: House = HOUSE) -> int:
    """Hold a key ceremony that two persons have ordered and agreed to on the pages; custodians enter here, one by one.

    For example:
        cardswitch keys attend 17 --data build/mine

    Nothing that is typed is shown. After each component its custodian compares
    the check value on the ceremony's page; after the last all compare that of
    the whole key. Stopped or killed, nothing was made.
    Next: print the minutes from the page, and order there to make the key active.

    Parameters
    ----------
    order
        Number of the order on the page Keys.
    """
    if not sys.stdin.isatty():
        raise CommandError("keys attend: expected a terminal, where custodians type; got none")
    with opened_service(house.directory) as service:
        sentence = Attending(service, house, order).hold()
    print(sentence)
    return 0


class Attending:
    """One ceremony, from the first component to the key."""

    def __init__(
        self,
        service: Service,
        house: House,
        number: int,
        *,
        ask: Callable[[str], str] = getpass.getpass,
        show: Callable[[str], None] = print,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service, self._house, self._number = service, house, number
        self._ask, self._show, self._pause = ask, show, pause

    def hold(self) -> str:
        """What was made, in a sentence; `CommandError` when nothing was."""
        from admin.errors import RefusedError
        from admin.keys.ceremony import agreed_ceremony, stop_at_house

        try:
            ceremony = agreed_ceremony(self._service, self._number)
        except RefusedError as error:
            raise CommandError(f"order {self._number}: {error.message}") from None
        try:
            return self._hold(ceremony)
        except RefusedError as error:
            raise CommandError(f"order {self._number}: {error.message} Nothing was made.") from None
        except NotSignedError:
            raise
        except BaseException as error:  # also Ctrl-C: whoever walks away leaves no half of a key
            reason = str(error).partition("\n")[0] if isinstance(error, CommandError | HsmError) else "interrupted"
            stop_at_house(self._service, self._number, f"At the key house: {reason}")
            raise

    def _hold(self, ceremony: CeremonyOrder) -> str:
        from admin.keys.ceremony import begin_ceremony, end_ceremony, is_whole_confirmed, note_whole

        order, service = ceremony.order, self._service
        purpose, version = Purpose(order.purpose), order.version
        at_desk(switch_of(service), _nothing, only_reads=True)  # before anybody types: is the switch there?
        with self._house.open() as keys:
            book = OfficerBook(keys)
            officers = officers_of(service, book, order)
            keys.keyring.repair_log(officers.people)
            keys.keyring.verify_log()
            begin_ceremony(service, self._number, _place(keys))
            with self._together(keys, ceremony, purpose, version) as slot:
                shown = check_value(slot).hex().upper()
                note_whole(service, self._number, shown)
                self._show(f"Check value of the whole key: {shown}. Every custodian compares it on the page.")
                self._wait(lambda: is_whole_confirmed(service, self._number))
                kek = kek_version(keys)
                change_ring(keys.keyring, lambda: keys.keyring.add_slot(purpose, version, kek, slot, officers.people))
            sentence = (
                f"{NAMES[purpose]} {version}, check value {shown}: {self._loaded(keys, officers, purpose, version)}"
            )
            end_ceremony(service, self._number, sentence, _place(keys))
            has_ended(service, book, order)
        return sentence

    def _loaded(self, keys: KeyHouse, officers: Officers, purpose: Purpose, version: int) -> str:
        """The key exists by now, whatever the switch says."""

        async def work(desk: Desk) -> int:
            await KeySteps(keys, desk, officers).announce(purpose, version)
            return 0

        try:
            at_desk(switch_of(self._service), work)
        except CommandError as error:
            return f"in the keyring; the switch will load it when it is made active ({error})"
        return "in the keyring, and loaded by the switch"

    def _together(self, keys: KeyHouse, ceremony: CeremonyOrder, purpose: Purpose, version: int) -> KeySlot:
        """The key out of its components, in a slot that is the caller's."""
        from admin.documents.ceremony_kinds import DRAW

        names, check = list(ceremony.custodians), ceremony.form.check_value
        with Assembly(keys.page, KEY_BYTES[purpose], len(names)) as assembly:
            if ceremony.form.method != DRAW:
                for number, name in enumerate(names, 1):
                    self._take(assembly, number, name)
                return assembly.finish(check)
            with keys.page.take(KEY_BYTES[purpose]) as drawn:
                random_into(drawn)
                split = Split(keys.page, drawn, names, f"{NAMES[purpose]} {version}")
            with split:
                for number, name in enumerate(names, 1):
                    self._hand_out(split, name)
                    self._take(assembly, number, name)
                return assembly.finish(split.check_value.hex())

    def _hand_out(self, split: Split, name: str) -> None:
        self._ask(f"{name}, alone, with an empty form: press Enter, and write down what is shown")
        self._show(split.take_form(name))
        self._ask("Written down, and read once more? Press Enter: it goes off the screen and is never shown again")
        self._show(CLEAR)

    def _take(self, assembly: Assembly, number: int, name: str) -> None:
        """One custodian's component, then his confirmation on the page."""
        from admin.keys.ceremony import is_component_confirmed, note_component

        for left in range(TRIES - 1, -1, -1):
            text = self._ask(f"{name}, alone: component, in one line (not shown): ")
            check = self._ask(f"{name}: its check value (not shown): ")
            try:
                assembly.enter(name, text, check)
            except (ComponentFormError, ComponentCheckError) as error:
                if not left:
                    raise
                self._show(str(error))
                continue
            break
        value = dict(assembly.entered)[" ".join(name.split())].hex().upper()
        note_component(self._service, self._number, number, value)
        self._show(f"{name}: entered. Compare the check value on the ceremony's page, then clear the desk.")
        self._wait(lambda: is_component_confirmed(self._service, self._number, number))

    def _wait(self, is_there: Callable[[], bool]) -> None:
        for _look in range(int(COMPARE_MINUTES_MAX * 60 / LOOK_S)):
            if is_there():
                return
            self._pause(LOOK_S)
        raise CommandError(f"nobody has compared for {COMPARE_MINUTES_MAX} minutes; nothing was made")


async def _nothing(_desk: Desk) -> int:
    return 0


def _place(keys: KeyHouse) -> LogPlace:
    from admin.keys.ceremony import LogPlace

    head = keys.keyring.log_head
    return LogPlace(head.sequence, head.mac.hex())
