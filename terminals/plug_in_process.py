"""A custom rule behind a process of its own, so that nothing it does reaches anybody else."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import suppress

import msgspec

from switch.protocol.limits import BILL_POINTS_HUNDREDTHS_MAX, POINTS_CATEGORY_MAX

from ._plug_in_child import LENGTH_BYTES, Answer
from .bills import Sale
from .errors import TerminalError
from .masking import mask

TIME_LIMIT_MS = 1_000
"""For one sale: a rule is arithmetic over one bill; whoever needs longer waits for something."""
START_LIMIT_MS = 30_000
"""For starting Python and importing the rule."""
MEMORY_BYTES_MAX = 1 << 30
"""Address space of the process: a rule that eats memory must not make the system choose the switch to end."""
ANSWER_BYTES_MAX = 65_536
CARD_NUMBER = re.compile(r"\d{8,19}")


class PlugInFailedError(TerminalError):
    """A rule said nothing of use about a sale: it failed, or its answer was none."""


class PlugInOverranError(PlugInFailedError):
    """A rule took longer than it may."""


class PlugInProcess:
    """One rule; its process is started when it is needed and again after it ended.

    `name` is what its credits are known by: whoever renames a plug-in makes it a new one.
    """

    def __init__(
        self,
        name: str,
        target: str,
        *,
        time_limit_ms: int = TIME_LIMIT_MS,
        start_limit_ms: int = START_LIMIT_MS,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:
        self.name = name
        self._arguments = (target, str(time_limit_ms), str(memory_bytes_max))
        self._time_limit_ms = time_limit_ms
        self._start_limit_ms = start_limit_ms
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Have a process that is ready; `PlugInFailedError` when the rule cannot be found or imported."""
        if self._process is not None:
            return
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "terminals._plug_in_child",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # its own children end with it, and a Ctrl-C is ours alone
        )
        answer = await self._answer(self._start_limit_ms, "to be ready")
        if answer.error:
            await self.stop()
            raise self._failed(f"expected a rule at {self._arguments[0]}, got {answer.error}; correct the name")

    async def ask(self, sale: Sale) -> dict[int, int]:
        """Points in hundredths by category that the rule grants for a sale, those of 0 left out.

        `PlugInOverranError` when it took too long, `PlugInFailedError` when it failed otherwise; the next call starts a
        new process where this one is gone.
        """
        await self.start()
        assert self._process is not None and self._process.stdin is not None
        content = msgspec.msgpack.encode(sale)
        self._process.stdin.write(len(content).to_bytes(LENGTH_BYTES, "little") + content)
        answer = await self._answer(self._time_limit_ms, "to answer")
        if answer.error:
            raise self._failed(f"expected (category, points) pairs, got {answer.error}")
        return self._granted(answer)

    async def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    async def _answer(self, limit_ms: int, to_do: str) -> Answer:
        """The next frame; without one the process is ended, whoever gave up."""
        assert self._process is not None
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            async with asyncio.timeout(limit_ms / 1000):
                await stdin.drain()
                length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES), "little")
                if length > ANSWER_BYTES_MAX:
                    raise msgspec.DecodeError(f"{length} bytes")
                return msgspec.msgpack.decode(await stdout.readexactly(length), type=Answer)
        except TimeoutError:
            await self.stop()
            raise PlugInOverranError(
                f"plug-in {self.name}: expected it {to_do} within {limit_ms} ms, got nothing; its process was ended"
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.stop()
            raise self._failed(f"expected it {to_do}, got its end; see what it wrote to the standard error") from None
        except msgspec.DecodeError as error:
            await self.stop()
            raise self._failed(f"expected an answer, got {error}; its process was ended") from None
        except BaseException:
            await self.stop()  # an answer that nobody waits for any more would be taken for the next one's
            raise

    def _granted(self, answer: Answer) -> dict[int, int]:
        granted: dict[int, int] = {}
        for category, points_hundredths in answer.grants:
            if not 0 <= category <= POINTS_CATEGORY_MAX:
                raise self._failed(f"expected a points category 0 to {POINTS_CATEGORY_MAX}, got {category}")
            granted[category] = granted.get(category, 0) + points_hundredths
        for category, points_hundredths in granted.items():
            if abs(points_hundredths) > BILL_POINTS_HUNDREDTHS_MAX:
                raise self._failed(
                    f"expected at most {BILL_POINTS_HUNDREDTHS_MAX} hundredths for category {category},"
                    f" got {points_hundredths}"
                )
        return {category: points for category, points in sorted(granted.items()) if points}

    def _failed(self, message: str) -> PlugInFailedError:
        """An error without card numbers: a rule's own words may hold one."""
        return PlugInFailedError(f"plug-in {self.name}: {CARD_NUMBER.sub(lambda found: mask(found[0]), message)}")
