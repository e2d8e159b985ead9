"""While others misbehave a well-behaved terminal pays without noticing: a real switch, that terminal, and an observer.

The switch is a process of its own in production mode. When it ends it must have said nothing but that it was ready and
stopped, and its journal must verify.
"""

from __future__ import annotations

import itertools
import re
import resource
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from switch.protocol.messages import FollowReply, FollowRequest, MessageType, Right, TerminalStatus
from terminals.credentials import Credentials, read_credentials
from tests.support.switch_process import SwitchProcess, run_cardswitch

from .peer import HANG_S, Address, Answer, Peer
from .reader import Entry, JournalReader

PATIENCE_S = 10.0
"""A debit of the well-behaved terminal that takes longer has been disturbed; usually it is a few milliseconds."""
PAUSE_S = 0.004
"""Between two of its debits: a till has other things to do, and so has this machine."""
EVERY_RIGHT = int(Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY)
STORE, CARD_TYPE = 1, 1
CARD, OTHER_CARD, NEIGHBOUR_CARD = 6_200_000_000_000_001, 6_200_000_000_000_002, 6_200_000_000_000_009
BALANCE_MINOR = 10**12
FIGURES_OF_THE_NEIGHBOUR = re.compile("type_debit|code_approved|entries|blocks|sync_|durable_|answers_kept|segments")


class RunningSwitch:
    """A switch process with a store, a card type, cards with money, and a terminal that pays."""

    def __init__(self, process: SwitchProcess, operator: Credentials) -> None:
        self.process, self.address, self.operator = process, process.address, operator
        self._desk: Peer | None = None
        self._terminal_ids = itertools.count(100)
        self.neighbour: Neighbour

    @property
    def desk(self) -> Peer:
        """The operator's connection; opened again when the switch has closed it for being idle."""
        if self._desk is None:
            self._desk = Peer(self.address, self.operator).sign_on()
        return self._desk

    def hang_up_desk(self) -> None:
        """Close the operator's connection."""
        if self._desk is not None:
            self._desk.close()
            self._desk = None

    def ask_desk(self, type_: MessageType, body: bytes = b"") -> Answer:
        """Ask as the operator."""
        self.desk.send_message(type_, body)
        answer = self.desk.next_answer()
        if answer is None:
            self.hang_up_desk()
            return self.desk.ask(type_, body)
        return answer

    def set_up(self) -> None:
        """Open the business."""
        desk = self.desk
        steps = [
            desk.do(MessageType.PUT_STORE, store_id=STORE),
            desk.do(MessageType.PUT_CARD_TYPE, code=CARD_TYPE, points_percent=100),
        ]
        for number in (CARD, OTHER_CARD, NEIGHBOUR_CARD):
            steps.append(desk.do(MessageType.OPEN_CARD, card_number=number, card_type=CARD_TYPE))
            steps.append(desk.do(MessageType.CREDIT, card_number=number, amount_minor=BALANCE_MINOR))
        assert [step.code for step in steps] == [0] * len(steps)

    def put_terminal(self, credentials: Credentials, rights: int, status: int = TerminalStatus.ACTIVE) -> None:
        """Create or change a terminal."""
        fields = {"terminal_id": credentials.terminal_id, "store_id": STORE, "rights": rights, "status": status}
        reply = self.desk.do(MessageType.PUT_TERMINAL, **fields, key=credentials.key.ljust(40, b"\0"))
        assert reply.code == 0, reply

    def new_terminal(self, rights: int = EVERY_RIGHT) -> Credentials:
        """A terminal that nobody has used."""
        terminal_id = next(self._terminal_ids)
        credentials = Credentials(terminal_id, terminal_id.to_bytes(4, "big") * 8)
        self.put_terminal(credentials, rights)
        return credentials

    def connect(self, credentials: Credentials | None = None, *, receive_bytes: int | None = None) -> Peer:
        """A TCP connection, nothing sent yet."""
        return Peer(self.address, credentials, receive_bytes=receive_bytes)

    def signed_on(self, credentials: Credentials | None = None, *, receive_bytes: int | None = None) -> Peer:
        """A signed-on connection, of a new terminal with every right unless another is given."""
        return self.connect(credentials or self.new_terminal(), receive_bytes=receive_bytes).sign_on()

    def figures(self) -> dict[str, int]:
        """The operator's statistics."""
        figures: dict[str, int] = msgspec.json.decode(self.ask_desk(MessageType.STATISTICS).body)
        return figures

    def follow(self, position: int, bytes_max: int = 65_000) -> FollowReply:
        """Journal bytes from a position on."""
        request = FollowRequest(partition=0, bytes_max=bytes_max, position=position)
        return FollowReply.decode(self.ask_desk(MessageType.FOLLOW, request.encode()).body)

    def resident_bytes(self) -> int:
        """Memory of the process that is really there."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()


class Watch:
    """What has changed in the switch since it was made, leaving out what the well-behaved terminal does."""

    def __init__(self, switch: RunningSwitch) -> None:
        self._switch = switch
        self._figures = switch.figures()
        self._position = switch.follow(2**64 - 1).durable_position

    def moved(self) -> dict[str, int]:
        """Counters that moved, and by how much."""
        changes = {name: value - self._figures.get(name, 0) for name, value in self._switch.figures().items()}
        return {name: by for name, by in changes.items() if by and not FIGURES_OF_THE_NEIGHBOUR.match(name)}

    def entries(self) -> list[Entry]:
        """Entries of all others than the well-behaved terminal."""
        self._switch.figures()  # this answer leaves only when all that was decided before is durable
        reader = JournalReader(0, checking=False, midway=True)
        position = self._position
        while (reply := self._switch.follow(position)).journal_bytes:
            reader.feed(reply.journal_bytes)
            position = reply.next_position
        neighbour = self._switch.neighbour.terminal_id
        return [entry for entry in reader.entries if entry.terminal_id != neighbour]


class Neighbour(threading.Thread):
    """The well-behaved terminal: debit after debit, each checked to the cent."""

    def __init__(self, address: Address, credentials: Credentials) -> None:
        super().__init__(name="neighbour", daemon=True)
        self._address, self._credentials = address, credentials
        self._stop_wanted = threading.Event()
        self.terminal_id = credentials.terminal_id
        self.debit_count = 0
        self.slowest_s = 0.0
        self.fault: str | None = None

    def run(self) -> None:
        """Pay until told to stop, or until something is wrong."""
        try:
            with Peer(self._address, self._credentials) as peer:
                peer.sock.settimeout(PATIENCE_S)
                peer.sign_on()
                balance = BALANCE_MINOR
                while not self._stop_wanted.wait(PAUSE_S):
                    began_s = time.monotonic()
                    reply = peer.do(MessageType.DEBIT, card_number=NEIGHBOUR_CARD, amount_minor=1)
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
                    balance -= 1
                    if (reply.code, reply.balance_minor) != (0, balance):
                        raise AssertionError(f"expected an approval and balance {balance}, got {reply}")
                    self.debit_count += 1
                peer.ask(MessageType.SIGN_OFF)
        except Exception as error:
            self.fault = f"the well-behaved terminal was disturbed after {self.debit_count} debits: {error!r}"

    def check(self, debits: int = 2) -> None:
        """Wait for some more debits; `AssertionError` when anything was ever wrong."""
        wanted = self.debit_count + debits
        end_s = time.monotonic() + HANG_S
        while self.fault is None and self.debit_count < wanted:
            assert time.monotonic() < end_s, "the well-behaved terminal hangs"
            time.sleep(0.001)
        assert self.fault is None, self.fault

    def finish(self) -> None:
        """Sign off."""
        self._stop_wanted.set()
        self.join(HANG_S)
        assert self.fault is None, self.fault


class FewFiles(SwitchProcess):
    """A switch that finds, when it starts, that it may open only so many files."""

    def __init__(self, data: Path, files_max: int) -> None:
        super().__init__(data)
        self._files_max = files_max

    def spawn(self) -> None:
        """The limit is there long before the child has imported what asks for it."""
        super().spawn()
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self._files_max, self._files_max))


@contextmanager
def running_switch(
    directory: Path, *, settings: Mapping[str, int] | None = None, files_max: int | None = None
) -> Iterator[RunningSwitch]:
    """A switch on a new data directory, set up, with the well-behaved terminal at work beside what the test does."""
    data = directory / "data"
    done = run_cardswitch("init", "--data", data, "--segment-bytes", str(16 << 20), "--cards-max", "100000")
    assert done.returncode == 0, done.stdout + done.stderr
    for name, value in (settings or {}).items():
        toml = data / "switch.toml"
        toml.write_text(re.sub(rf"^{name} = .*$", f"{name} = {value}", toml.read_text(), flags=re.M))
    with SwitchProcess(data) if files_max is None else FewFiles(data, files_max) as process:
        switch = RunningSwitch(process, read_credentials(data / "operator.key"))
        try:
            switch.set_up()
            switch.neighbour = Neighbour(switch.address, switch.new_terminal(Right.PAY))
            switch.neighbour.start()
            switch.neighbour.check(1)
            yield switch
            switch.neighbour.check()
            switch.neighbour.finish()
        finally:
            switch.hang_up_desk()
        assert process.stop() == 0
        usual = "cardswitch: (ready on|stopped" + ("|expected room for .* open files)" if files_max else ")")
        said = [line for line in process.output.splitlines() if not re.match(usual, line)]
        assert said == [], f"the switch complained: {said}"
    done = run_cardswitch("verify", "--data", data)
    assert done.returncode == 0, done.stdout + done.stderr
