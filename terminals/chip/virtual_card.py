"""A training and test card: the applet as a program, with memory that outlives its process and faults on demand.

It keeps to what a chip does: the counter is stored before the MAC over it is made, the chain value is stored at once
and only after its MAC was found right, and what is not stored is gone when power is. It has its own few lines of
AES-CMAC, apart from those of the issuer, so that the two prove each other.

It is no card to be trusted: its key lies in a file. It says so itself when it is selected (`CardKind.TRAINING`).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from msgspec.structs import replace

from hsm.cards import (
    AC_DATA_BYTES,
    APPLICATION_ID,
    ATC_MAX,
    CRYPTOGRAM_BYTES,
    ISSUER_ANSWER_BYTES,
    AcAnswer,
    AcData,
)
from hsm.data_errors import CardDataError

from .applet import (
    Apdu,
    CardFigures,
    CardKind,
    CardState,
    Instruction,
    IssuerCommand,
    PersonalData,
    Selected,
    encode_number,
    version_to_go_over_to,
)
from .card_file import LOG_ENTRIES_MAX, CardFileError, CardMemory, HeldKey, LogEntry, Memory
from .errors import StatusWord, WrongCommandError
from .faults import Fault, FaultKind, FaultPlan


class CardGone(Exception):  # noqa: N818  not an error: it happened as planned
    """A fault took the card out of the reader; `after_ms` is how long it stays there without a word before that."""

    def __init__(self, fault: Fault, after_ms: int = 0) -> None:
        super().__init__(fault.kind.value)
        self.fault, self.after_ms = fault, after_ms


class _Refused(Exception):  # noqa: N818
    def __init__(self, status: StatusWord) -> None:
        super().__init__(status.name)
        self.status = status


class VirtualCard:
    """The card; `answer` is all that its contacts can do. Not for several threads at a time."""

    def __init__(
        self,
        memory: Memory,
        faults: FaultPlan,
        *,
        pause_ms: Callable[[int], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`pause_ms` makes slow answers, `random_bytes` garbage; the applet itself needs no chance."""
        self._store = memory
        self.faults = faults
        self._pause_ms, self._random_bytes = pause_ms, random_bytes
        self.power_on()

    def power_on(self) -> None:
        """Power or a reset: what was not stored is gone."""
        self._memory: CardMemory = self._store.load()
        self._selected = False
        self._open: AcAnswer | None = None
        self._ordinal = 0

    def answer(self, command: bytes) -> bytes:
        """The answer to a command; `CardGone` where a fault takes the card away."""
        self._ordinal += 1
        try:
            apdu = Apdu.decode(command)
        except WrongCommandError:
            return _status(StatusWord.WRONG_LENGTH)
        if fault := self._fault(FaultKind.PULL_BEFORE, apdu):
            raise CardGone(fault)
        try:
            answer = self._carry_out(apdu) + _status(StatusWord.OK)
        except _Refused as refused:
            answer = _status(refused.status)
        except CardFileError:
            self._open = None
            answer = _status(StatusWord.MEMORY)
        if fault := self._fault(FaultKind.PULL_AFTER, apdu):
            raise CardGone(fault)
        if fault := self._fault(FaultKind.MUTE, apdu):
            raise CardGone(fault, after_ms=fault.figure)
        if fault := self._fault(FaultKind.SLOW, apdu):
            self._pause_ms(fault.figure)
        if fault := self._fault(FaultKind.GARBAGE, apdu):
            return self._random_bytes(fault.figure)
        return answer

    # ------------------------------------------------------------------- commands

    def _carry_out(self, apdu: Apdu) -> bytes:
        instruction = apdu.instruction
        if instruction is Instruction.SELECT:
            return self._select(apdu.data)
        if instruction is None:
            raise _Refused(_why_unknown(apdu.header))
        if not self._selected:
            raise _Refused(StatusWord.CONDITIONS)
        if instruction is Instruction.READ_STATE:
            return self._figures().encode()
        if instruction is Instruction.PERSONALISE:
            return self._personalise(apdu.data)
        if self._memory.state == CardState.BLANK:
            raise _Refused(StatusWord.CONDITIONS)
        if instruction is Instruction.READ_NUMBER:
            return encode_number(self._memory.card_number)
        if instruction is Instruction.GENERATE_AC:
            return self._generate(apdu.data)
        return self._take_issuer_answer(apdu.data)

    def _select(self, aid: bytes) -> bytes:
        self._selected, self._open = False, None
        if aid != APPLICATION_ID:
            raise _Refused(StatusWord.NOT_FOUND)
        self._selected = True
        memory = self._memory
        return Selected(bytes.fromhex(memory.uid), memory.key_version).encode()

    def _figures(self) -> CardFigures:
        memory = self._memory
        return CardFigures(
            state=CardState(memory.state),
            kind=CardKind.TRAINING,
            key_version=memory.key_version,
            counter=memory.counter,
            chain=bytes.fromhex(memory.chain),
            uid=bytes.fromhex(memory.uid),
        )

    def _generate(self, data: bytes) -> bytes:
        self._open = None
        try:
            payment = AcData.unpack(data)
        except CardDataError:
            is_long = len(data) == AC_DATA_BYTES
            raise _Refused(StatusWord.WRONG_DATA if is_long else StatusWord.WRONG_LENGTH) from None
        memory = self._memory
        if memory.state == CardState.BLOCKED:
            raise _Refused(StatusWord.BLOCKED)
        if memory.counter >= ATC_MAX:
            raise _Refused(StatusWord.CONDITIONS)
        counter = memory.counter + 1
        log = (*memory.log, LogEntry.of(counter, payment))[-LOG_ENTRIES_MAX:]
        self._step("counter", lambda: self._keep(replace(memory, counter=counter, log=log)))
        unsigned = AcAnswer(memory.key_version, counter, 0, bytes.fromhex(memory.chain), bytes(CRYPTOGRAM_BYTES))
        made: list[bytes] = []
        self._step("mac", lambda: made.append(self._mac(counter, unsigned.authenticated(data))))
        self._open = AcAnswer(unsigned.key_version, counter, unsigned.flags, unsigned.chain, made[0])
        return self._open.pack()

    def _take_issuer_answer(self, data: bytes) -> bytes:
        cryptogram, self._open = self._open, None  # one try only
        if cryptogram is None:
            raise _Refused(StatusWord.CONDITIONS)
        if len(data) != ISSUER_ANSWER_BYTES:
            raise _Refused(StatusWord.WRONG_LENGTH)
        covered = b"R" + cryptogram.atc.to_bytes(3, "big") + cryptogram.cryptogram + data[:6]
        right: list[bytes] = []
        self._step("check", lambda: right.append(self._mac(cryptogram.atc, covered)))
        if not hmac.compare_digest(right[0], data[8:]):
            raise _Refused(StatusWord.SECURITY_STATUS)
        command = int.from_bytes(data[4:6], "big")
        version = version_to_go_over_to(command)
        is_known = command in list(IssuerCommand) or any(held.key_version == version for held in self._memory.held_keys)
        if not is_known or data[6:8] != bytes(2):
            raise _Refused(StatusWord.WRONG_DATA)
        self._step("chain", lambda: self._keep(_answered(self._memory, data[:4], command)))
        return b""

    def _personalise(self, data: bytes) -> bytes:
        if self._memory.state != CardState.BLANK:
            raise _Refused(StatusWord.CONDITIONS)
        try:
            personal = PersonalData.decode(data)
        except ValueError:
            raise _Refused(StatusWord.WRONG_DATA) from None
        made = replace(
            self._memory,
            state=CardState.ISSUED,
            card_number=personal.card_number,
            key_version=personal.key_version,
            key=personal.key.hex(),
            held_keys=tuple(HeldKey(version, key.hex()) for version, key in personal.held_keys),
            chain=personal.chain.hex(),
        )
        self._step("person", lambda: self._keep(made))
        return b""

    # ------------------------------------------------------------------- steps

    def _step(self, name: str, act: Callable[[], None]) -> None:
        if fault := self.faults.of_step(FaultKind.CUT_BEFORE, name):
            raise CardGone(fault)
        act()
        if fault := self.faults.of_step(FaultKind.CUT_AFTER, name):
            raise CardGone(fault)

    def _keep(self, memory: CardMemory) -> None:
        self._store.store(memory)
        self._memory = memory

    def _mac(self, counter: int, message: bytes) -> bytes:
        """Under the key of one session (SP 800-108 in counter mode with CMAC, one block)."""
        memory = self._memory
        session = b"\x01AC\x00" + counter.to_bytes(3, "big") + bytes.fromhex(memory.uid) + b"\x00\x80"
        return _cmac(_cmac(bytes.fromhex(memory.key), session), message)[:CRYPTOGRAM_BYTES]

    def _fault(self, kind: FaultKind, apdu: Apdu) -> Fault | None:
        return self.faults.of_command(kind, apdu.instruction, self._ordinal)


def _answered(memory: CardMemory, chain: bytes, command: int) -> CardMemory:
    """The card after an issuer answer whose MAC was right."""
    if command == IssuerCommand.CLEAR:
        return CardMemory(uid=memory.uid, counter=memory.counter)
    log = (*memory.log[:-1], replace(memory.log[-1], answered=True))
    state = CardState.BLOCKED if command == IssuerCommand.BLOCK else memory.state
    after = replace(memory, chain=chain.hex(), state=state, log=log)
    version = version_to_go_over_to(command)
    if version is None:
        return after
    (key,) = (held.key for held in memory.held_keys if held.key_version == version)
    later = tuple(held for held in memory.held_keys if held.key_version > version)
    return replace(after, key_version=version, key=key, held_keys=later)


def _why_unknown(header: bytes) -> StatusWord:
    if not any(known.value[0] == header[0] for known in Instruction):
        return StatusWord.CLASS_UNKNOWN
    if not any(known.value[:2] == header[:2] for known in Instruction):
        return StatusWord.INSTRUCTION_UNKNOWN
    if header[:2] == Instruction.READ_NUMBER.value[:2]:
        return StatusWord.RECORD_NOT_FOUND
    return StatusWord.WRONG_P1_P2


def _status(status: StatusWord) -> bytes:
    return status.to_bytes(2, "big")


def _cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()
