"""The top of the story: begin a journal, recover, listen, drain."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from switch._checkpoints import Checkpoints
from switch._clock import monotonic_ms, now_ms, random_key
from switch._directory import DataDirectory, DirectoryError, Settings, create_directory, open_directory
from switch._fastpath import Engine
from switch._keys import KeyRing
from switch._recover import open_journal, recover
from switch._segments import SegmentPreparer, prepare_segment
from switch._signing import Signing
from switch._tables import Tables
from switch._zone import find_zone, zone_table
from switch.accept import FILES_RESERVED, Listener
from switch.dispatch import Dispatcher
from switch.duplicates import AnswerWindow
from switch.group_commit import EXIT_NOT_DURABLE, GroupCommit
from switch.key_desk import KeyDesk, KeySource
from switch.notary import HeadSigner
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    Header,
    KeyPurpose,
    KeyState,
    MessageType,
    PutKeyRequest,
    PutSwitchRequest,
    PutTerminalRequest,
    Reply,
    Right,
    SwitchMode,
)

OPERATOR_ID = 1
"""Terminal number of the first operator, who makes all others."""
APPROVER_ID = 2
"""Second person in the entries of the first keys, which `init` makes without anybody's approval."""
FIRST_KEYS = (KeyPurpose.STORAGE, KeyPurpose.PIN, KeyPurpose.RECEIPT)
"""Purposes that no switch can do without."""
EVERY_RIGHT = sum(Right)
DEFAULT_PORT = 7464
EXIT_OWN_FAULT = 70
"""Exit status (EX_SOFTWARE) of a switch that found a fault in its own code."""


def initialize(
    path: Path,
    timezone: str,
    mode: SwitchMode,
    settings: Settings,
    make_keys: Callable[[Path], KeySource],
    cut_over_minutes: int = 0,
) -> DataDirectory:
    """Make a data directory and write the journal's first block: settings, first keys, the first operator.

    `make_keys` makes the key house in the path it is given, with version 1 of the purposes in FIRST_KEYS.
    All of it appears at once: a directory that was begun and not finished is never found under its name.
    """
    find_zone(timezone)
    if path.exists() and any(path.iterdir()):
        raise DirectoryError(f"{path}: expected an empty directory, got one with files; choose another")
    operator_key = random_key()
    begun = path.with_name(path.name + ".begun")
    shutil.rmtree(begun, ignore_errors=True)
    directory = create_directory(begun, settings, operator_key, OPERATOR_ID)
    keys = make_keys(directory.keys)
    journal = open_journal(directory)
    prepare_segment(journal, 0)
    journal.segment_is_ready(0)
    tables = Tables(16, 16, 16)
    commit = GroupCommit(journal)
    window = AnswerWindow(16)
    ring = KeyRing()
    key_desk = KeyDesk(keys, ring, tables)
    engine = Engine(tables, window, commit, zone_table(timezone), False, keys=ring)
    # A date never goes back, and a replay may start anywhere: its journal begins in 1970.
    at_ms = 0 if mode == SwitchMode.REPLAY else now_ms()
    today = engine.date_of(at_ms)
    window.start_at(today)

    traces = itertools.count(1)

    def write(message_type: MessageType, request_class: type[Packed], **fields: Any) -> None:
        request = request_class(trace_number=next(traces), business_date=today, stamp_ms=at_ms, **fields)
        message = Header(type=message_type, sequence=0).encode() + request.encode()
        if message_type in (MessageType.PUT_KEY, MessageType.PUT_TERMINAL):
            message = key_desk.prepare(message)
        reply, _ = engine.decide(0, EVERY_RIGHT, message, at_ms)
        code = Reply.decode(reply[Header.width_bytes() :]).code
        if code:
            raise AssertionError(f"init: expected {message_type.name} to be approved, got code {code}")

    write(
        MessageType.PUT_SWITCH,
        PutSwitchRequest,
        partition=settings.partition,
        mode=mode,
        cut_over_minutes=cut_over_minutes,
        timezone=timezone.encode().ljust(32, b"\0"),
    )
    for purpose in FIRST_KEYS:
        key, check_value = keys.take(purpose, 1)
        key.wipe()
        for state in (KeyState.NEW, KeyState.ACTIVE):
            write(
                MessageType.PUT_KEY,
                PutKeyRequest,
                purpose=purpose,
                key_version=1,
                state=state,
                check_value=check_value.ljust(8, b"\0"),
                operator_id=OPERATOR_ID,
                approver_id=APPROVER_ID,
            )
    write(
        MessageType.PUT_TERMINAL,
        PutTerminalRequest,
        terminal_id=OPERATOR_ID,
        store_id=0,
        rights=Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY,
        key=operator_key + bytes(8),
    )
    commit.commit_now()
    begun.rename(path)
    return open_directory(path)


def serve(path: Path, host: str, port: int, keys: KeySource, signer: HeadSigner | None = None) -> int:
    """Run the switch on a data directory until SIGTERM or SIGINT; with a signer, its journal's heads are signed."""
    directory = open_directory(path)
    lock = directory.lock()
    uvloop.run(_serve(directory, host, port, keys, signer))
    os.close(lock)
    return 0


async def _serve(directory: DataDirectory, host: str, port: int, keys: KeySource, signer: HeadSigner | None) -> None:
    started_ms = monotonic_ms()
    raise_open_files(directory.settings.connections_max)
    recovered = recover(directory, keys)
    preparer = SegmentPreparer(recovered.journal, stop_on_broken_disk)
    preparer.start()
    mode = SwitchMode(recovered.settings.mode)
    dispatcher = Dispatcher(
        recovered.engine,
        recovered.journal,
        directory.settings.partition,
        mode,
        recovered.key_desk,
        now_ms,
        random_key,
    )
    listener = Listener(dispatcher, directory.settings.connections_max, now_ms, monotonic_ms)
    checkpoints = Checkpoints(directory, recovered.commit, recovered.store_position)
    signing = None if signer is None else Signing(directory, recovered.commit, signer, now_ms)
    stop = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(stop_on_own_fault)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        bound_host, bound_port = await listener.open(host, port)
    except OSError as error:
        preparer.stop()
        raise DirectoryError(
            f"--listen: expected HOST:PORT that can be listened on, got {host}:{port} ({error.strerror or error}); "
            "choose another, or end what listens there"
        ) from error
    checkpoints.start()
    if signing is not None:
        signing.start()
    # What lives now lives as long as the switch: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    counts = recovered.engine.tables.counts()
    print(
        f"cardswitch: ready on {bound_host}:{bound_port} ({mode.name.lower()} mode, "
        f"partition {directory.settings.partition}, {counts['cards']:,} cards, {counts['terminals']:,} terminals; "
        f"{recovered.replayed_count:,} entries replayed"
        + (f", a torn tail of {recovered.torn_bytes:,} bytes erased" if recovered.torn_bytes else "")
        + f", {(monotonic_ms() - started_ms) / 1000:.2f} s)",
        flush=True,
    )
    await stop.wait()
    await listener.drain()
    preparer.stop()
    if signing is not None and not await signing.stop():
        print(
            f"cardswitch: journal heads: signed up to entry {signing.signed_sequence}; the rest is signed after the "
            "next start",
            flush=True,
        )
    checkpoints.stop()
    is_up = checkpoints.reached_position == recovered.commit.durable_position
    print(
        "cardswitch: stopped; everything answered is in the journal and in the balance store"
        if is_up
        else "cardswitch: stopped; everything answered is in the journal, the balance store is behind it",
        flush=True,
    )


def stop_on_broken_disk(error: OSError) -> None:
    """No room can be prepared for the journal, and not for want of space: stop while everything answered is on disk."""
    print(
        f"cardswitch: journal segment: expected to write one ahead, got {error}; stopped, check the disk",
        file=sys.stderr,
    )
    sys.stderr.flush()
    os._exit(EXIT_NOT_DURABLE)


def stop_on_own_fault(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A fault in our own code may have left the state half changed: stop before anything is answered from it.

    Faults of peers never come here; they cost the peer its connection.
    """
    loop.default_exception_handler(context)
    print(
        f"cardswitch: fault in the switch itself ({context.get('message')}); stopped, start it again", file=sys.stderr
    )
    sys.stderr.flush()
    os._exit(EXIT_OWN_FAULT)


def raise_open_files(connections_max: int) -> None:
    """Ask for a descriptor per connection and the reserve; say so when fewer are allowed."""
    wanted = connections_max + FILES_RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if max(soft, allowed) < wanted:
        print(
            f"cardswitch: expected room for {wanted} open files ({connections_max} connections), got {allowed}; "
            f"{max(0, allowed - FILES_RESERVED)} connections can be served: raise `ulimit -n` for more",
            file=sys.stderr,
        )
