"""Decides when heads are signed, talks to the child process that makes them, and asks the keystore for signatures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from switch._directory import DataDirectory, DirectoryError
from switch._notary_process import EXIT_REFUSED
from switch.group_commit import GroupCommit
from switch.notary import HeadSigner
from switch.protocol.heads import HEAD_DOMAIN, HEAD_SIGNED_BYTES

SIGN_INTERVAL_S = 1.0
"""A head is signed this often while something new is written: how long a receipt waits until it can be proved."""
AGAIN_S = 10.0
"""Pause before a child that has ended is started again: what ended it (a keystore, a full disk) may take a while."""
SILENT_S = 10.0
"""A keystore that has not answered for so long is reported: signing takes milliseconds, with a token tens of them."""
DRAIN_S = 30.0
"""An orderly stop waits this long for the last heads; what is not signed by then is signed after the next start."""
LINE_BYTES_MAX = 4096
"""A question of the child is shorter: the message of a head in hex and a few words."""


class Signing:
    """Runs `switch._notary_process` as a child, sends it durable positions, and signs what it asks for.

    A signature is made in a thread of its own, so that a slow keystore delays heads and nothing else. A child that ends
    is started again, except when it has refused: until then nobody can prove new receipts, and the switch says so.
    """

    def __init__(
        self, directory: DataDirectory, commit: GroupCommit, signer: HeadSigner, now_ms: Callable[[], int]
    ) -> None:
        self._directory, self._commit, self._signer, self._now_ms = directory, commit, signer, now_ms
        self._child: subprocess.Popen[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reached = 0
        self._is_idle = False
        self._heard = b""
        self._settled = asyncio.Event()
        self._is_over = self._is_asking = False
        self._unanswered_s = 0.0
        self._last_version, self._said = signer.key_version, ""
        self.signed_sequence = 0
        """Last entry that a head covers, as last reported."""

    def start(self) -> None:
        """Start the child, and tell it of what is new every SIGN_INTERVAL_S from now on."""
        self._start_child()
        self._look()

    async def stop(self) -> bool:
        """Sign up to the end of the journal, for at most DRAIN_S, and end the child; whether all is signed.

        Called when nothing is in flight.
        """
        self._is_over = True
        self._look_after(0)
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._wait()
                if self._child is not None and self._commit.durable_position > self._reached:
                    self._ask()
                    await self._wait()
        except TimeoutError:
            pass
        is_signed = self._reached == self._commit.durable_position
        if self._child is not None:
            asyncio.get_running_loop().remove_reader(self._pipes()[1])
            self._child.kill()  # between questions it has nothing to lose, and a head it was at is signed again
            self._child.communicate()
            self._child = None
        return is_signed

    async def _wait(self) -> None:
        """Until the child has answered, or has ended."""
        while self._child is not None and not self._is_idle:
            self._settled.clear()
            await self._settled.wait()

    def _start_child(self) -> None:
        directory = self._directory
        self._is_idle, self._heard = False, b""
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "switch._notary_process",
                str(directory.journal.resolve()),
                str(directory.settings.partition),
                str(directory.settings.segment_bytes),
                str(self._key_version()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
            start_new_session=True,  # signals to the switch's process group are the switch's
        )
        asyncio.get_running_loop().add_reader(self._pipes()[1], self._hear)

    def _pipes(self) -> tuple[int, int]:
        assert self._child is not None and self._child.stdin is not None and self._child.stdout is not None
        return self._child.stdin.fileno(), self._child.stdout.fileno()

    def _look(self) -> None:
        if self._child is None:
            self._start_child()
        self._look_after(SIGN_INTERVAL_S)
        self._watch_keystore()
        if self._is_idle and self._commit.durable_position > self._reached:
            self._ask()

    def _watch_keystore(self) -> None:
        """A keystore that does not answer is said once: everything waits for it, and nothing else would show it."""
        before_s, self._unanswered_s = (
            self._unanswered_s,
            self._unanswered_s + SIGN_INTERVAL_S if self._is_asking else 0.0,
        )
        if before_s < SILENT_S <= self._unanswered_s:
            say(f"the keystore has not answered for {SILENT_S:g} s; new receipts cannot be proved until it does")

    def _look_after(self, pause_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._is_over else asyncio.get_running_loop().call_later(pause_s, self._look)

    def _ask(self) -> None:
        self._is_idle = False
        self._say(f"durable {self._commit.durable_position} {self._now_ms()} {self._key_version()}\n")

    def _key_version(self) -> int:
        """The key that signs now: it changes while the switch runs. A file that cannot be read changes nothing."""
        try:
            version = self._signer.version()
        except (DirectoryError, OSError) as error:
            version = self._last_version
            if str(error) != self._said:
                self._said = str(error)
                say(f"{error}; signed with version {version} of the key as before")
        self._last_version = version
        return version

    def _say(self, line: str) -> None:
        if self._child is None:
            return  # it has ended while it was being answered
        try:
            os.write(self._pipes()[0], line.encode())
        except BrokenPipeError:
            self._child_has_ended()

    def _hear(self) -> None:
        content = os.read(self._pipes()[1], LINE_BYTES_MAX)
        if not content:
            self._child_has_ended()
            return
        *lines, self._heard = (self._heard + content).split(b"\n")
        for line in lines:
            self._obey(line.decode().split())

    def _obey(self, words: list[str]) -> None:
        match words:
            case ["reached", position, sequence]:
                self._reached, self.signed_sequence, self._is_idle = int(position), int(sequence), True
                self._settled.set()
            case ["key", version]:
                self._answer(lambda: self._signer.public_key(int(version)), f"public key of version {version}")
            case ["sign", version, message]:
                self._answer(lambda: self._sign(int(version), bytes.fromhex(message)), "signature")
            case _:
                raise AssertionError(f"journal heads: expected a question of the child, got {words[:1]}")

    def _sign(self, version: int, message: bytes) -> bytes:
        """The key signs heads and nothing else, whatever became of the child."""
        if not message.startswith(HEAD_DOMAIN) or len(message) != len(HEAD_DOMAIN) + HEAD_SIGNED_BYTES:
            raise ValueError(f"expected the message of a head to sign, got {len(message)} other bytes")
        return self._signer.sign(version, message)

    def _answer(self, ask: Callable[[], bytes], what: str) -> None:
        """Ask the keystore in a thread that nobody waits for, then tell the child."""
        loop, child = asyncio.get_running_loop(), self._child
        self._is_asking = True

        def work() -> None:
            try:
                line = f"answer {ask().hex()}\n"
            except Exception as error:  # whatever the keystore raises: heads wait, the switch goes on
                line = "failed\n"
                say(f"expected a {what} from the keystore, got: {error}; tried again in {AGAIN_S:g} s")
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(self._say_to, child, line)

        threading.Thread(target=work, name="signature", daemon=True).start()

    def _say_to(self, child: subprocess.Popen[bytes] | None, line: str) -> None:
        self._is_asking = False
        if child is self._child:
            self._say(line)

    def _child_has_ended(self) -> None:
        if self._child is None:
            return
        asyncio.get_running_loop().remove_reader(self._pipes()[1])
        self._child.communicate()
        status, self._child = self._child.returncode, None
        self._is_idle = False
        self._settled.set()
        if status == EXIT_REFUSED:
            self._is_over = True
            say("nothing more is signed, and new receipts cannot be proved, until the switch is started anew")
        else:
            say(
                f"the process that signs them has ended with status {status}; it is started again in {AGAIN_S:g} s; "
                "until then new receipts cannot be proved"
            )
        self._look_after(AGAIN_S)


def say(text: str) -> None:
    """A line for whoever watches the switch."""
    print(f"cardswitch: journal heads: {text}", file=sys.stderr, flush=True)
