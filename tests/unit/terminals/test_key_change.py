"""A terminal that changes its key always has one that the switch accepts, wherever it is cut off."""

import asyncio
import base64
import functools
import json
import os
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hsm import _files
from switch.protocol.messages import ChangeKeyRequest, MessageType, TerminalFlag
from terminals._clock import SYSTEM
from terminals.client import Client
from terminals.credentials import Credentials, write_credentials
from terminals.errors import CredentialsError
from terminals.outcome import Verdict
from terminals.reconnect import KeptLink
from terminals.terminal_key import TerminalKey
from terminals.trace_file import FileTrace
from tests.unit.terminals.peer import CARD, TERMINAL_ID, TERMINAL_KEY, Fault, Peer
from tests.unit.terminals.till import QUICK, till

CHANGE = MessageType.CHANGE_KEY
SOON = replace(QUICK, renew_quiet_ms=5, renew_retry_ms=5)


def played(scenario):
    """A test that is a coroutine."""

    @functools.wraps(scenario)
    def test(*arguments, **named):
        asyncio.run(scenario(*arguments, **named))

    return test


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def path(tmp_path):
    write_credentials(tmp_path / "till.key", Credentials(TERMINAL_ID, TERMINAL_KEY))
    return tmp_path / "till.key"


@asynccontextmanager
async def till_of(path, peer: Peer, policy=QUICK):
    """A till as its program makes it: key file and trace file."""
    trace = FileTrace(path.with_name("till.trace"), TERMINAL_ID)
    try:
        surroundings = replace(SYSTEM, now_ms=lambda: peer.now_ms)
        async with Client(*peer.address, TerminalKey(path), trace, policy=policy, surroundings=surroundings) as client:
            yield client
    finally:
        trace.shut()


def keys_in(path):
    """The fields of the key file; its mode is right."""
    assert path.stat().st_mode & 0o777 == 0o600
    fields = json.loads(path.read_bytes())
    return bytes.fromhex(fields["key"]), bytes.fromhex(fields.get("next_key", ""))


def confirms(peer):
    return [ChangeKeyRequest.decode(m.body).confirm for m in peer.messages if m.header.type == CHANGE]


@played
async def test_a_key_is_changed_and_only_the_new_one_is_left_on_both_sides(path):
    async with Peer().prepare().register() as peer, till_of(path, peer) as client:
        outcome = await client.change_key()
        assert outcome.verdict is Verdict.APPROVED

        key, next_key = keys_in(path)
        assert (key, next_key) == (peer.keys[TERMINAL_ID], b"")
        assert key != TERMINAL_KEY and TERMINAL_ID not in peer.next_keys
        assert confirms(peer) == [0, 1]
        assert (await client.debit(CARD, 100)).verdict is Verdict.APPROVED
        assert (peer.sign_on_count, client.keys_changed) == (2, 1)


@played
async def test_each_change_draws_a_key_of_its_own(path):
    async with Peer().prepare().register() as peer, till_of(path, peer) as client:
        seen = {TERMINAL_KEY}
        for _ in range(3):
            assert (await client.change_key()).verdict is Verdict.APPROVED
            seen.add(peer.keys[TERMINAL_ID])

    assert len(seen) == 4


@played
async def test_debits_in_flight_are_not_disturbed(path):
    async with Peer().prepare() as peer, till_of(path, peer) as client:
        peer.register()

        async def pay():
            return [await client.debit(CARD, 1) for _ in range(40)]

        paid, other, outcome = await asyncio.gather(pay(), pay(), client.change_key())

        assert outcome.verdict is Verdict.APPROVED
        assert {end.verdict for end in paid + other} == {Verdict.APPROVED}
        debits = [m.body for m in peer.messages if m.header.type == MessageType.DEBIT]
        assert len(debits) == len(set(debits)) == 80, "nothing had to be sent twice"
        assert (peer.sign_on_count, peer.signed_off_count) == (2, 1)


# --------------------------------------------------------------------------- cut off between two steps


def kill_behind(monkeypatch, owner, name):
    """The process ends as soon as this has been done."""
    done = getattr(owner, name)

    def then_killed(*args, **named):
        done(*args, **named)
        raise KilledError

    async def then_killed_later(*args, **named):
        await done(*args, **named)
        raise KilledError

    monkeypatch.setattr(owner, name, then_killed_later if asyncio.iscoroutinefunction(done) else then_killed)


def kill_before(monkeypatch, owner, name):
    """The process ends when this is about to be done."""

    def killed(*args, **named):
        raise KilledError

    monkeypatch.setattr(owner, name, killed)


class FilesOf:
    """The system, but a file that takes another one's place kills."""

    def __getattr__(self, name):
        return getattr(os, name)

    def replace(self, *_):
        raise KilledError


STEPS = {
    "before the next key is on disk": lambda m: m.setattr(_files, "os", FilesOf()),
    "behind the next key on disk": lambda m: kill_behind(m, TerminalKey, "begin"),
    "before the second session": lambda m: kill_before(m, KeptLink, "go_over"),
    "behind the second session": lambda m: kill_behind(m, KeptLink, "go_over"),
    "before the new key alone is on disk": lambda m: kill_before(m, TerminalKey, "finish"),
    "behind the new key alone on disk": lambda m: kill_behind(m, TerminalKey, "finish"),
}


@pytest.mark.parametrize("kill", STEPS.values(), ids=STEPS)
@played
async def test_a_terminal_killed_between_two_steps_signs_on_again_and_ends_the_change(path, kill, monkeypatch):
    async with Peer().prepare().register() as peer:
        with monkeypatch.context() as patch:
            kill(patch)
            with pytest.raises(KilledError):
                async with till_of(path, peer) as client:
                    await client.change_key()
        await _goes_on(path, peer)


FAULTS = [Fault.LOSE_REQUEST, Fault.LOSE_REPLY, Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.BUSY]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", [0, 1], ids=["first", "confirm"])
@played
async def test_a_lost_request_or_answer_is_made_good(path, step, fault):
    async with Peer().prepare().register() as peer, till_of(path, peer) as client:
        peer.faults = [Fault.NONE] * step + [fault]

        assert (await client.change_key()).verdict is Verdict.APPROVED

        assert keys_in(path) == (peer.keys[TERMINAL_ID], b"")
        assert peer.keys[TERMINAL_ID] != TERMINAL_KEY


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
@pytest.mark.parametrize("step", [0, 1], ids=["first", "confirm"])
@played
async def test_a_terminal_killed_while_it_waits_for_an_answer_ends_the_change_later(path, step, fault, monkeypatch):
    async with Peer().prepare().register() as peer:
        peer.faults = [Fault.NONE] * step + [fault]
        with monkeypatch.context() as patch:
            kill_before(patch, KeptLink, "drop")  # the time-out of the answer that stays out
            with pytest.raises(KilledError):
                async with till_of(path, peer) as client:
                    await client.change_key()
        await _goes_on(path, peer)


async def _goes_on(path, peer):
    key, next_key = keys_in(path)
    assert {key, next_key} & {peer.keys[TERMINAL_ID], peer.next_keys.get(TERMINAL_ID)}, "no key is left to sign on with"
    async with till_of(path, peer) as client:
        await client.settle()
        assert (await client.debit(CARD, 100)).verdict is Verdict.APPROVED
        assert (await client.change_key()).verdict is Verdict.APPROVED
        assert client.unsettled == []
    key, next_key = keys_in(path)
    assert (key, next_key) == (peer.keys[TERMINAL_ID], b"") and key != TERMINAL_KEY
    async with till_of(path, peer) as client:
        assert (await client.debit(CARD, 100)).verdict is Verdict.APPROVED


@played
async def test_a_change_that_was_begun_is_ended_without_being_asked(path):
    TerminalKey(path).begin(b"n" * 32)
    async with Peer().prepare().register() as peer, till_of(path, peer, SOON) as client:
        await client.echo()
        await _until(lambda: client.keys_changed)

        assert peer.keys[TERMINAL_ID] == b"n" * 32 == keys_in(path)[0]


@played
async def test_an_unfinished_change_of_yesterday_does_not_get_stuck(path):
    async with Peer(replay=False).prepare().register() as peer:
        peer.faults = [Fault.LOSE_REQUEST] * 9
        async with till_of(path, peer, replace(QUICK, settle_deadline_ms=150)) as client:
            assert (await client.change_key()).verdict is Verdict.UNKNOWN
        peer.faults = []
        peer.now_ms += 3 * 86_400_000

        await _goes_on(path, peer)


# --------------------------------------------------------------------------- by itself


async def _until(happened):
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.002)


@played
async def test_a_key_is_changed_by_itself_when_the_switch_asks_for_it(path):
    async with Peer().prepare().register() as peer, till_of(path, peer, SOON) as client:
        peer.flags = TerminalFlag.RENEW_KEY
        await client.echo()
        await _until(lambda: client.keys_changed)

        assert keys_in(path) == (peer.keys[TERMINAL_ID], b"")
        assert (await client.debit(CARD, 100)).verdict is Verdict.APPROVED
        assert confirms(peer) == [0, 1]


@played
async def test_a_client_that_is_asked_by_both_the_switch_and_its_program_changes_its_key_once(path):
    async with Peer().prepare().register() as peer, till_of(path, peer, SOON) as client:
        peer.flags = TerminalFlag.RENEW_KEY
        await client.echo()
        assert (await client.change_key()).verdict is Verdict.APPROVED
        await asyncio.sleep(0.1)

        assert (confirms(peer), client.keys_changed) == ([0, 1], 1)


@played
async def test_without_being_asked_to_no_key_is_changed(path):
    async with Peer().prepare().register() as peer, till_of(path, peer, SOON) as client:
        await client.echo()
        await asyncio.sleep(0.05)

        assert confirms(peer) == []


@played
async def test_a_change_that_the_switch_does_not_take_is_tried_again(path):
    async with Peer().prepare() as peer, till_of(path, peer, SOON) as client:  # no record: TERMINAL_UNKNOWN
        peer.flags = TerminalFlag.RENEW_KEY
        await client.echo()
        await _until(lambda: len(confirms(peer)) >= 2)
        assert keys_in(path)[0] == TERMINAL_KEY
        peer.register()
        await _until(lambda: client.keys_changed)

    assert keys_in(path) == (peer.keys[TERMINAL_ID], b"")


@played
async def test_a_client_with_a_fixed_key_leaves_it_alone_and_says_why():
    async with Peer().prepare().register() as peer, till(peer, policy=SOON) as client:
        peer.flags = TerminalFlag.RENEW_KEY
        await client.echo()
        await asyncio.sleep(0.05)

        assert confirms(peer) == []
        with pytest.raises(CredentialsError, match=r"TerminalKey\(path\)"):
            await client.change_key()


# --------------------------------------------------------------------------- secrets


@played
async def test_no_key_is_shown_and_the_trace_file_does_not_keep_one(path):
    key = TerminalKey(path)
    next_key = key.begin(b"n" * 32)
    async with Peer().prepare().register() as peer, till_of(path, peer) as client:
        shown = repr(key) + repr(next_key) + repr(client.__dict__) + repr(client._changer.__dict__)
        assert (await client.change_key()).verdict is Verdict.APPROVED

        trace = path.with_name("till.trace").read_bytes()
        for secret in (TERMINAL_KEY, b"n" * 32):
            assert secret.hex() not in shown and repr(secret)[2:-1] not in shown
            for place in range(3):  # bytes in JSON are in base64
                assert base64.b64encode(bytes(place) + secret)[4:-4] not in trace


def test_a_key_file_that_somebody_else_has_changed_is_not_overwritten(path):
    ours, theirs = TerminalKey(path), TerminalKey(path)
    theirs.begin(b"t" * 32)

    with pytest.raises(CredentialsError, match="one program at a time"):
        ours.begin(b"o" * 32)

    assert keys_in(path) == (TERMINAL_KEY, b"t" * 32)


def test_a_next_key_that_is_there_is_kept(path):
    first = TerminalKey(path).begin(b"1" * 32)

    assert TerminalKey(path).begin(b"2" * 32) == first
