"""A shop whose keys are rotated: chips and phones in use, the officers' command line, and both killed on the way."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from cardswitch.key_house import KeyHouse, read_passphrase
from hsm.key_states import Purpose
from switch._directory import open_directory
from switch._heads import Heads
from switch.protocol.messages import (
    DebitFlag,
    DebitRequest,
    MediumFlag,
    MediumKind,
    MessageType,
    PinMode,
    PutMediumRequest,
    Reply,
    SetPinRequest,
)
from terminals.credentials import read_credentials
from tests.support.desk import Desk, make_shop
from tests.support.key_load import Lane, Load
from tests.support.media import Chip, Phone
from tests.support.nursery import run
from tests.support.operator import Operator
from tests.support.switch_process import SwitchProcess
from tests.support.till import Till

CARD_FIRST = 6222_0301_0000_0000
UID_FIRST, TOKEN_FIRST = 0x04782E21000000, 10_000_000_000
CARDS_PER_LANE = 100
OPENING_MINOR = 100_000_000
OFFICERS = "Li Wei:11,Chen Jie:12"
TURNS_MAX = 60
KILL_WAIT_S = 60

# Runs `cardswitch` and dies before or after what changes keyring, keystore or switch: at the point of that number.
FATAL = """
import functools, os, signal, sys
fatal, calls = int(sys.argv[1]), 0
sys.argv = ["cardswitch", *sys.argv[2:]]

def point():
    global calls
    calls += 1
    if calls == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name):
    real = getattr(owner, name)
    @functools.wraps(real)
    def call(*arguments, **options):
        point()
        result = real(*arguments, **options)
        point()
        return result
    setattr(owner, name, call)

def around_async(owner, name):
    real = getattr(owner, name)
    @functools.wraps(real)
    async def call(*arguments, **options):
        point()
        result = await real(*arguments, **options)
        point()
        return result
    setattr(owner, name, call)

import hsm._keystore, hsm.key_log, hsm.keyring, switch._key_chain
from terminals.key_calls import KeyCalls
around(hsm.key_log, "append_file")
around(hsm.keyring, "replace_file")
around(hsm._keystore, "write")
around(switch._key_chain.KeyChain, "append")
for name in ("put_key", "rewrap_key", "renew_terminal_key"):
    around_async(KeyCalls, name)
from cardswitch.__main__ import main
main()
"""
THREADS_OF_OTHERS = 50
"""Pools of the test process that grow by themselves."""


class KeyShop:
    """One data directory, its switch, its lanes, its officers."""

    def __init__(self, folder: Path, lane_count: int = 3) -> None:
        self._threads_before = threading.active_count()
        self.folder = folder
        self.data = make_shop(folder / "data")
        desk = Desk(self.data)
        self.lanes = [Lane(100 + n, bytes([n + 1]) * 32) for n in range(lane_count)]
        for n, lane in enumerate(self.lanes):
            desk.put_till(lane.terminal_id, lane.key)
            for card in range(CARDS_PER_LANE):
                desk.open_card(CARD_FIRST + n * CARDS_PER_LANE + card)
                assert desk.credit(OPENING_MINOR, card=CARD_FIRST + n * CARDS_PER_LANE + card).code == 0
        desk.commit()
        desk.keys.close()
        self._cards = iter(range(CARD_FIRST, CARD_FIRST + lane_count * CARDS_PER_LANE))
        self._next_medium = 1
        self.switch = SwitchProcess(self.data)
        self.switch.start()
        self.operator = Operator(self.switch, folder)
        self.operator.environment |= {"CARDSWITCH_DATA": str(self.data), "CARDSWITCH_OFFICERS": OFFICERS}
        self.load = Load(lambda: self.switch.address, self.lanes, 1_000_000)

    # -- the switch

    def restart(self) -> None:
        """SIGKILL it, and start it again."""
        self.switch.kill()
        self.switch.start()
        host, port = self.switch.address
        self.operator.environment["CARDSWITCH_CONNECT"] = f"{host}:{port}"

    def officer(self) -> Till:
        """The first operator at the wire."""
        credentials = read_credentials(self.data / "operator.key")
        return Till(self.switch.address, credentials.terminal_id, credentials.key)

    # -- media

    def master(self, purpose: Purpose, version: int) -> bytes:
        """A master key, as a card supplier has it."""
        house = KeyHouse.open(open_directory(self.data).keys, read_passphrase)
        try:
            slot, _ = house.take(purpose, version)
            return bytes(slot)
        finally:
            house.close()

    def chips(self, count: int, masters: dict[int, bytes]) -> list[Chip]:
        """New chips that hold a key of each version, enrolled."""
        made = [Chip.personalised(UID_FIRST + self._take(), next(self._cards), masters) for _ in range(count)]
        for chip in made:
            self.enrol(chip)
        return made

    def phones(self, count: int, master: bytes, version: int) -> list[Phone]:
        """New phones, enrolled."""
        made = [Phone.enrolled(TOKEN_FIRST + self._take(), next(self._cards), master, version) for _ in range(count)]
        for phone in made:
            self.enrol(phone)
        return made

    def chips_with_own_keys(self, count: int) -> list[Chip]:
        """Chips with random keys, which the switch keeps wrapped."""
        made = []
        for _ in range(count):
            chip = Chip(UID_FIRST + self._take(), next(self._cards), {1: os.urandom(16)}, stored_key=True)
            self.enrol(chip)
            made.append(chip)
        return made

    def enrol(self, medium: Chip | Phone) -> None:
        """PUT_MEDIUM; of a medium that is enrolled already: it has another key now."""
        is_chip = isinstance(medium, Chip)
        with self.officer() as till:
            request = PutMediumRequest(
                trace_number=self.load.number() if hasattr(self, "load") else 1,
                business_date=till.terms.business_date,
                stamp_ms=time.time_ns() // 1_000_000,
                card_number=medium.card_number,
                medium_id=medium.uid if isinstance(medium, Chip) else medium.token,
                medium=MediumKind.CHIP if is_chip else MediumKind.CODE,
                key_version=medium.version,
                key_version_held=medium.held if isinstance(medium, Chip) else medium.version,
                flags=MediumFlag.STORED_KEY if medium.stored_key else 0,
                operator_id=1,
                counter=medium.counter if isinstance(medium, Chip) else 0,
                chain=medium.chain if isinstance(medium, Chip) else 0,
                key=(medium.keys[1] if medium.stored_key and isinstance(medium, Chip) else b"").ljust(24, b"\0"),
            )
            reply = till.ask(MessageType.PUT_MEDIUM, request).reply
        assert reply.code == 0, reply

    def set_pin(self, card_number: int, pin: bytes) -> None:
        """The desk sets a card's PIN."""
        with self.officer() as till:
            request = SetPinRequest(
                trace_number=self.load.number(),
                business_date=till.terms.business_date,
                stamp_ms=0,
                card_number=card_number,
                mode=PinMode.RESET,
                operator_id=1,
                old_pin=bytes(16),
                new_pin=pin.ljust(16, b"\0"),
            )
            assert till.ask(MessageType.SET_PIN, request).reply.code == 0

    def pay_with_pin(self, card_number: int, pin: bytes) -> tuple[DebitRequest, Reply]:
        """A payment by the card's number and a PIN, at a till between its own; and how it was asked."""
        lane = self.lanes[0]
        with lane.lock, Till(self.switch.address, lane.terminal_id, lane.key) as till:
            request = DebitRequest(
                trace_number=self.load.number(),
                business_date=till.terms.business_date,
                stamp_ms=0,
                card_number=card_number,
                amount_minor=1,
                flags=DebitFlag.PIN,
                pin=pin.ljust(16, b"\0"),
            )
            return request, till.ask(MessageType.DEBIT, request).reply

    def repeated(self, request: DebitRequest) -> Reply:
        """A till that has not heard the answer asks the very same again."""
        lane = self.lanes[0]
        with lane.lock, Till(self.switch.address, lane.terminal_id, lane.key) as till:
            return till.ask(MessageType.DEBIT, request).reply

    def _take(self) -> int:
        self._next_medium += 1
        return self._next_medium

    # -- the officers

    def keys(self, *words: Any) -> dict[str, Any]:
        """A command of the officers that must succeed; what it says to programs."""
        said: dict[str, Any] = self.operator.json("keys", *words)
        return said

    def refused(self, *words: Any) -> str:
        """A command of the officers that must be refused."""
        ended = self.operator.run("keys", *words)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stdout + ended.stderr

    def killed_on_the_way(self, *words: Any, stride: int = 1, restarting: bool = False) -> tuple[dict[str, Any], int]:
        """A command that dies at its first point, at its second when it is given again, and so on, until none is left.

        What it said in the end, and how often it died. `restarting`: the switch dies with it each time, and starts with
        what the two have left behind.
        """
        for death_count, fatal in enumerate(range(1, stride * TURNS_MAX, stride)):
            ended = run(
                ["cardswitch", str(fatal), "keys", *map(str, words), "--json"],
                folder=self.folder,
                environment=self.operator.environment,
                code=FATAL,
                timeout_s=KILL_WAIT_S,
            )
            if ended.returncode == 0:
                return json.loads(ended.stdout), death_count
            assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr
            if restarting:
                self.restart()
        raise AssertionError(f"{words}: never came to an end")

    def state_of(self, purpose: str, version: int) -> tuple[str, str]:
        """Of a key, in the keyring and at the switch."""
        for row in self.keys("show", purpose)["keys"]:
            if row["version"] == version:
                return row["keyring"], row["switch"]
        return "", ""

    def resting(self, purpose: str) -> dict[int, int]:
        """How many rest on each version."""
        return {row["version"]: row["rest_on_it"] for row in self.keys("show", purpose)["keys"]}

    def wait_for_head(self, key_version: int) -> int:
        """The last entry that a head covers which is signed with this version of the key."""
        heads = Heads(open_directory(self.data).journal)
        deadline_s = time.monotonic() + KILL_WAIT_S
        while True:
            count = heads.signed_count()
            if count and heads.signed(count - 1).key_version == key_version:
                return heads.signed(count - 1).last_sequence
            assert time.monotonic() < deadline_s, count
            time.sleep(0.2)

    def close(self) -> None:
        """No process stays."""
        self.switch.kill()
        assert threading.active_count() < self._threads_before + THREADS_OF_OTHERS
