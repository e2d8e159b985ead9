"""A PKCS#11 token and the one thread that talks to it.

Tokens and their libraries differ in what threads may do, and some crash; so one thread owns module, session and
objects, and all others queue.  The token is found by its label, since slot numbers change.  When it is gone, the
operation raises `TokenUnavailableError`, and the next one connects anew.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

import PyKCS11
from PyKCS11 import (
    CKF_RW_SESSION,
    CKF_SERIAL_SESSION,
    CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_DEVICE_ERROR,
    CKR_DEVICE_REMOVED,
    CKR_PIN_EXPIRED,
    CKR_PIN_INCORRECT,
    CKR_PIN_INVALID,
    CKR_PIN_LEN_RANGE,
    CKR_PIN_LOCKED,
    CKR_SESSION_CLOSED,
    CKR_SESSION_HANDLE_INVALID,
    CKR_SLOT_ID_INVALID,
    CKR_TOKEN_NOT_PRESENT,
    CKR_TOKEN_NOT_RECOGNIZED,
    CKR_USER_NOT_LOGGED_IN,
    PyKCS11Error,
)

from hsm._cipher import copy_into
from hsm._cryptoki import Cryptoki, Template
from hsm._memory import KeyPage, KeySlot
from hsm.errors import (
    BackendClosedError,
    HsmError,
    TokenPinRefusedError,
    TokenRefusedError,
    TokenTimeoutError,
    TokenUnavailableError,
)

CALL_TIMEOUT_MS = 30_000  # the slowest operation, making a key pair, takes seconds on old tokens
CLOSE_TIMEOUT_MS = 5_000  # what a closing caller waits for the thread; a hung module is left behind
PIN_BYTES_MAX = 32  # one slot; two halves of 16 digits

GONE = {
    CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_DEVICE_ERROR,
    CKR_DEVICE_REMOVED,
    CKR_SESSION_CLOSED,
    CKR_SESSION_HANDLE_INVALID,
    CKR_SLOT_ID_INVALID,
    CKR_TOKEN_NOT_PRESENT,
    CKR_TOKEN_NOT_RECOGNIZED,
    CKR_USER_NOT_LOGGED_IN,
}
PIN_REFUSED = {CKR_PIN_EXPIRED, CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_LOCKED}

Result = TypeVar("Result")
Handle: TypeAlias = PyKCS11.LowLevel.CK_OBJECT_HANDLE
"""An object's handle. Not PyKCS11's own class of that name, whose repr prints the object's value."""

# Login is a matter of the whole process: a second owner would be let in with any PIN, and log the first one out.
_owned: set[tuple[str, str]] = set()
_owned_turn = threading.Lock()


class Token:
    """Connection, session and the calls on it. Everything but `run` and `close` belongs to the owner thread."""

    def __init__(self, module_path: str, label: str, pin: bytes | bytearray, timeout_ms: int) -> None:
        if not 1 <= len(pin) <= PIN_BYTES_MAX:
            raise TokenPinRefusedError(f"expected a PIN of 1 to {PIN_BYTES_MAX} bytes, got {len(pin)}: check the PIN")
        self.name = f"token {label!r} of {module_path}"
        self._module_path = module_path
        self._label = label
        self._timeout_ms = timeout_ms
        self._process_id = os.getpid()
        self._library: PyKCS11.PyKCS11Lib | None = None
        self._session: PyKCS11.Session | None = None
        self._cryptoki: Cryptoki | None = None
        self._closed = False
        self._gate = threading.Lock()  # between operations that come in and closing
        self._pin_was_refused = False
        self._claim()
        try:
            self._page = KeyPage(1)
            self._pin = self._page.take(len(pin))
            copy_into(self._pin, pin)
            self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
            self._thread = threading.Thread(target=self._serve, name=f"hsm {label}", daemon=True)
            self._thread.start()
        except BaseException:
            self._disown()
            raise
        try:
            self.run(lambda: None)
        except BaseException:
            self.close()
            raise

    def run(self, operation: Callable[[], Result]) -> Result:
        """Have the owner thread do an operation, connected.

        Raises `TokenTimeoutError`, `TokenUnavailableError`, `TokenPinRefusedError`, `BackendClosedError`.
        """
        if os.getpid() != self._process_id:
            self._check_open()
            raise TokenUnavailableError(
                f"expected {self.name} to be opened in this process, got a fork: open it after forking"
            )
        future: Future[Result] = Future()
        with self._gate:
            self._check_open()
            self._queue.put(lambda: self._answer(future, operation))
        try:
            return future.result(self._timeout_ms / 1000)
        except FutureTimeoutError:
            began = not future.cancel()
            raise TokenTimeoutError(
                f"expected an answer of {self.name} within {self._timeout_ms} ms, got none; the operation "
                f"{'may still happen' if began else 'did not begin'}: look at keys() before doing it again"
            ) from None

    def close(self) -> None:
        """Log out, end the thread, wipe the PIN."""
        if os.getpid() == self._process_id:
            with self._gate:
                if self._closed:
                    return
                self._closed = True
                self._queue.put(None)  # what was put before is still done
            self._thread.join(CLOSE_TIMEOUT_MS / 1000)
        self._page.close()

    def _check_open(self) -> None:
        if self._closed:
            raise BackendClosedError(f"expected an open backend, got {self.name} after close: open it again")

    # In the owner thread

    def _serve(self) -> None:
        while (task := self._queue.get()) is not None:
            task()
            del task  # or the last caller's slot would live on
        self._disconnect()
        self._disown()

    def _answer(self, future: Future[Result], operation: Callable[[], Result]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            self._connect()
            future.set_result(operation())
        except PyKCS11Error as error:
            future.set_exception(self.judge(error))
        except BaseException as error:
            future.set_exception(error)

    def _connect(self) -> None:
        if self._session is not None:
            return
        if self._pin_was_refused:
            raise TokenPinRefusedError(
                f"expected the PIN of {self.name} to be still good, got refused: open it with the new one"
            )
        if "/" in self._module_path and not os.path.exists(self._module_path):
            raise self._gone("no such file as that library")  # before PyKCS11 writes to stderr
        try:
            self._library = PyKCS11.PyKCS11Lib()
            self._library.load(self._module_path)
            self._cryptoki = Cryptoki(self._module_path)
            slot = self._find_slot(self._library)
            self._session = self._library.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
            self._cryptoki.login(self.session_number, self._pin)
        except PyKCS11Error as error:
            self._disconnect()
            if error.value in PIN_REFUSED:
                # Trying again by ourselves could lock the PIN.
                self._pin_was_refused = True
                raise TokenPinRefusedError(
                    f"expected {self.name} to take the PIN, got {code_name(error)}: "
                    f"check the PIN; several wrong ones lock it"
                ) from None
            raise self._gone(code_name(error)) from None
        except BaseException:
            self._disconnect()
            raise

    def _find_slot(self, library: PyKCS11.PyKCS11Lib) -> int:
        found = [
            slot for slot in library.getSlotList(tokenPresent=True) if self._slot_label(library, slot) == self._label
        ]
        if len(found) != 1:
            raise self._gone(f"{len(found)} tokens of this label")
        return int(found[0])

    @staticmethod
    def _slot_label(library: PyKCS11.PyKCS11Lib, slot: int) -> str:
        return str(library.getTokenInfo(slot).label).rstrip("\0 ")

    def _disconnect(self) -> None:
        with suppress(PyKCS11Error):
            if self._session is not None:
                self._session.closeSession()
        self._session = None
        with suppress(PyKCS11Error):
            if self._library is not None:
                self._library.unload()
        self._library = None

    def _claim(self) -> None:
        with _owned_turn:
            if (self._module_path, self._label) in _owned:
                raise TokenUnavailableError(
                    f"expected to be the only owner of {self.name} in this process, got another that has it open "
                    f"(or hangs in it): share that one, or restart the process"
                )
            _owned.add((self._module_path, self._label))

    def _disown(self) -> None:
        with _owned_turn:
            _owned.discard((self._module_path, self._label))

    def lost(self, reason: str) -> TokenUnavailableError:
        """Let go of the token, so that the next operation connects anew; the error to raise."""
        self._disconnect()
        return self._gone(reason)

    def _gone(self, reason: str) -> TokenUnavailableError:
        """The error for a token that is not there."""
        return TokenUnavailableError(
            f"expected {self.name}, got {reason}: check that it is plugged in or its files are there, then try again"
        )

    def judge(self, error: PyKCS11Error) -> HsmError:
        """The named error for one of PKCS#11. Lets go of a token that is gone."""
        if error.value in GONE or not self.is_there():
            return self.lost(code_name(error))
        return TokenRefusedError(
            f"expected {self.name} to do this, got {code_name(error)}: see the token's manual and log"
        )

    def is_there(self) -> bool:
        """Whether the token still answers, as itself and logged in."""
        if self._session is None or self._library is None:
            return False
        try:
            information = self._session.getSessionInfo()
            return (
                information.state == PyKCS11.CKS_RW_USER_FUNCTIONS
                and self._slot_label(self._library, information.slotID) == self._label
            )
        except PyKCS11Error:
            return False

    @property
    def session(self) -> PyKCS11.Session:
        """The session; only inside an operation."""
        assert self._session is not None
        return self._session

    @property
    def session_number(self) -> int:
        """Its handle."""
        return int(self.session.session.value())

    # Calls with secrets

    def create(self, template: Template, slot: KeySlot) -> Handle:
        """C_CreateObject with the value in a slot."""
        assert self._cryptoki is not None
        return handle(self._cryptoki.create(self.session_number, template, slot))

    def copy(self, source: Handle, template: Template) -> Handle:
        """C_CopyObject."""
        assert self._cryptoki is not None
        return handle(self._cryptoki.copy(self.session_number, source.value(), template))

    def read_value(self, source: Handle, slot: KeySlot) -> None:
        """C_GetAttributeValue of CKA_VALUE into a slot."""
        assert self._cryptoki is not None
        self._cryptoki.read_value(self.session_number, source.value(), slot)


def handle(number: int) -> Handle:
    """A handle number as PyKCS11 wants it."""
    made = Handle()
    made.assign(number)
    return made


def code_name(error: PyKCS11Error) -> str:
    """The standard's name of an error code."""
    return str(PyKCS11.CKR.get(error.value, f"code {error.value}"))
