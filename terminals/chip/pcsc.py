"""PC/SC calls with results instead of numbers: one context, one reader's connection, errors by name.

pyscard's plain functions are used and not its classes: they give the result code itself (its exceptions say "Command
successful" when a card is pulled out in the middle of a command) and start no threads of their own. pyscard is
imported at the first call, so that a till without chip readers does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from .errors import CardLostError, CardServiceError, ChipError, ReaderBusyError, ReaderNotFoundError

SERVICE_HINT = (
    "start pcscd (`systemctl start pcscd.socket`, or as root `pcscd --foreground`);"
    " Debian's packages are pcscd and, for USB readers, libccid"
)
EVENT_COUNT_SHIFT = 16
"""pcscd counts a reader's insertions and removals in the upper half of its state."""
GET_RESPONSE = bytes.fromhex("00C00000")
FOLLOW_UPS_MAX = 8
"""GET RESPONSE and corrected lengths within one command; a card that wants more is broken."""


class ReaderFailedError(ChipError):
    """PC/SC gave a result that has no name here; `code` is it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ServiceLostError(CardServiceError):
    """The service ended under a context that it had given; a new context may do."""


@dataclass(frozen=True, slots=True)
class ReaderState:
    """What is known of a reader at a moment; `raw` is PC/SC's own word for it."""

    raw: int
    present: bool
    mute: bool
    """The card gave no ATR: put in the wrong way round, or broken."""
    known: bool
    atr: bytes

    @property
    def event_count(self) -> int:
        """Differs whenever a card was put in or out meanwhile."""
        return (self.raw >> EVENT_COUNT_SHIFT) & 0xFFFF


def _scard() -> ModuleType:
    try:
        import smartcard.scard
    except ImportError as error:
        raise CardServiceError(
            f"pyscard: expected it to be installed, got {error}; install `cardswitch[devices]`"
        ) from None
    module: ModuleType = smartcard.scard
    return module


class Context:
    """A connection to pcscd, for one thread at a time."""

    def __init__(self) -> None:
        """`CardServiceError` where pcscd is not running."""
        self._scard = _scard()
        result, self._context = self._scard.SCardEstablishContext(self._scard.SCARD_SCOPE_SYSTEM)
        if result != self._scard.SCARD_S_SUCCESS:
            raise CardServiceError(f"PC/SC: expected a service, got {_hex(result)}; {SERVICE_HINT}")

    def close(self) -> None:
        """Let go of it."""
        self._scard.SCardReleaseContext(self._context)

    def readers(self) -> list[str]:
        """Names of the readers that are plugged in."""
        result, names = self._scard.SCardListReaders(self._context, [])
        if result == self._scard.SCARD_E_NO_READERS_AVAILABLE:
            return []
        self._insist(result, "list of readers")
        return list(names)

    def wait_for_change(self, known: Mapping[str, int], timeout_ms: int) -> dict[str, ReaderState] | None:
        """State of readers as soon as one differs from what is known (0: nothing); None where none did in time."""
        scard = self._scard
        asked = [(name, raw) for name, raw in known.items()]
        result, states = scard.SCardGetStatusChange(self._context, timeout_ms, asked)
        if result == scard.SCARD_E_TIMEOUT:
            return None
        self._insist(result, f"state of {', '.join(known)}")
        return {
            name: ReaderState(
                raw=raw & ~scard.SCARD_STATE_CHANGED,
                present=bool(raw & scard.SCARD_STATE_PRESENT),
                mute=bool(raw & scard.SCARD_STATE_MUTE),
                known=not raw & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE),
                atr=bytes(atr),
            )
            for name, raw, atr in states
        }

    def connect(self, reader: str) -> Connection:
        """The card in a reader, for this program alone; `CardLostError` where there is none that answers."""
        scard = self._scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, handle, protocol = scard.SCardConnect(self._context, reader, scard.SCARD_SHARE_EXCLUSIVE, protocols)
        self._insist(result, reader)
        return Connection(self._insist, scard, handle, protocol, reader)

    def _insist(self, result: int, what: str) -> None:
        s = self._scard
        if result == s.SCARD_S_SUCCESS:
            return
        if result in (s.SCARD_E_UNKNOWN_READER, s.SCARD_E_READER_UNAVAILABLE):
            raise ReaderNotFoundError(
                f"{what}: expected a reader, got {_hex(result)}; plug it in, or see `cardswitch device readers`"
            )
        if result == s.SCARD_E_SHARING_VIOLATION:
            raise ReaderBusyError(f"{what}: expected the card for us alone, got another program; end that one")
        if result in (
            s.SCARD_E_NO_SERVICE,
            s.SCARD_E_SERVICE_STOPPED,
            s.SCARD_E_INVALID_HANDLE,
            s.SCARD_F_COMM_ERROR,
            s.SCARD_F_INTERNAL_ERROR,
        ):
            raise ServiceLostError(f"PC/SC: expected the service to go on, got {_hex(result)}; {SERVICE_HINT}")
        if result in (
            s.SCARD_W_REMOVED_CARD,
            s.SCARD_E_NO_SMARTCARD,
            s.SCARD_W_RESET_CARD,
            s.SCARD_W_UNRESPONSIVE_CARD,
            s.SCARD_W_UNPOWERED_CARD,
            s.SCARD_W_UNSUPPORTED_CARD,
            s.SCARD_E_NOT_TRANSACTED,
            s.SCARD_E_PROTO_MISMATCH,
            s.SCARD_E_INSUFFICIENT_BUFFER,
        ):
            raise CardLostError(
                f"{what}: expected an answer of the card, got {_hex(result)}; present the card again and hold it"
            )
        raise ReaderFailedError(
            f"{what}: expected success, got {_hex(result)}; unplug the reader and plug it in again", result
        )


class Connection:
    """A card with power."""

    def __init__(
        self, insist: Callable[[int, str], None], scard: ModuleType, handle: object, protocol: int, reader: str
    ) -> None:
        self._insist, self._scard, self._handle, self._reader = insist, scard, handle, reader
        self._is_t0 = protocol == scard.SCARD_PROTOCOL_T0
        self._request = scard.SCARD_PCI_T0 if self._is_t0 else scard.SCARD_PCI_T1

    def exchange(self, command: bytes) -> bytes:
        """Data and status word. Lengths that T=0 splits from commands (61xx, 6Cxx) are seen to.

        `CardLostError` where the card is out or what came is no answer.
        """
        # T=0 has no room for the expected length behind data (ISO 7816-3, 12.2.5); the card says 61xx instead.
        has_both = len(command) > 5 and len(command) == 6 + command[4]
        answer = self._once(command[:-1] if self._is_t0 and has_both else command)
        data = b""
        for _ in range(FOLLOW_UPS_MAX):
            if answer[-2] == 0x61:
                data += answer[:-2]
                answer = self._once(GET_RESPONSE + answer[-1:])
            elif answer[-2] == 0x6C and len(command) == 5:
                answer = self._once(command[:-1] + answer[-1:])
            else:
                return data + answer
        raise CardLostError(
            f"{self._reader}: expected an answer in {FOLLOW_UPS_MAX} pieces, got more; present the card again"
        )

    def close(self) -> None:
        """Take the power away: the next connection finds the card as new."""
        self._scard.SCardDisconnect(self._handle, self._scard.SCARD_UNPOWER_CARD)

    def _once(self, command: bytes) -> bytes:
        result, answer = self._scard.SCardTransmit(self._handle, self._request, list(command))
        self._insist(result, self._reader)
        if len(answer) < 2:  # what a card pulled out in the middle of a command looks like with some drivers
            raise CardLostError(
                f"{self._reader}: expected an answer of 2 bytes or more, got {len(answer)};"
                " present the card again and hold it"
            )
        return bytes(value & 0xFF for value in answer)


def list_readers() -> list[str]:
    """Names of the readers that are plugged in; `CardServiceError` where pcscd is not running."""
    context = Context()
    try:
        return context.readers()
    finally:
        context.close()


def _hex(result: int) -> str:
    return f"{result & 0xFFFFFFFF:08X}"
