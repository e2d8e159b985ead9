"""The switch's side of signing: what the key is used for, and when a child is started again."""

import asyncio
import os
import time

import pytest

from switch import _signing
from switch._clock import now_ms
from switch._directory import open_directory
from switch._heads import Heads
from switch._signing import Signing
from switch.notary import HeadSigner
from switch.protocol.heads import HEAD_DOMAIN, HEAD_SIGNED_BYTES
from tests.support.desk import Desk, make_shop
from tests.support.notarized import KEY_VERSION, Keys

PATIENCE_S = 30


@pytest.fixture
def desk(tmp_path):
    return Desk(make_shop(tmp_path / "data"))


def signing_of(desk, sign=None):
    keys = Keys()
    signer = HeadSigner(sign or keys.sign, keys.public_key, KEY_VERSION)
    return Signing(open_directory(desk.directory.path), desk.engine.commit, signer, now_ms), keys


async def wait_until(condition):
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never came"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "message", [b"", b"x" * 218, HEAD_DOMAIN, HEAD_DOMAIN + bytes(HEAD_SIGNED_BYTES + 1), bytes(26 + HEAD_SIGNED_BYTES)]
)
def test_the_key_signs_nothing_but_heads(desk, message):
    signing, keys = signing_of(desk)

    with pytest.raises(ValueError, match="expected the message of a head to sign"):
        signing._sign(KEY_VERSION, message)

    assert keys.signed == []
    assert signing._sign(KEY_VERSION, HEAD_DOMAIN + bytes(HEAD_SIGNED_BYTES))


def test_a_stop_signs_up_to_the_end(desk):
    async def work():
        signing, _ = signing_of(desk)
        signing.start()
        desk.debit(1)
        desk.commit()
        assert await signing.stop()
        return signing.signed_sequence

    assert asyncio.run(work()) == desk.engine.commit.chain()[3] - 1
    assert Heads(desk.directory.journal).signed_count() >= 1


def test_a_keystore_that_does_not_answer_is_reported_once_and_a_stop_does_not_wait_for_ever(desk, monkeypatch, capfd):
    monkeypatch.setattr(_signing, "DRAIN_S", 0.3)
    monkeypatch.setattr(_signing, "SILENT_S", 0.1)
    monkeypatch.setattr(_signing, "SIGN_INTERVAL_S", 0.02)
    read, write = os.pipe()
    said = ""

    def has_said():
        nonlocal said
        said += capfd.readouterr().err
        return "the keystore has not answered for 0.1 s" in said

    async def work():
        signing, _ = signing_of(desk, lambda version, message: os.read(read, 1))
        signing.start()
        await wait_until(has_said)
        assert not await signing.stop()

    asyncio.run(work())
    os.close(write)  # lets the thread go
    assert (said + capfd.readouterr().err).count("has not answered") == 1
    assert Heads(desk.directory.journal).signed_count() == 0


def test_a_keystore_that_fails_is_asked_again_after_a_pause(desk, monkeypatch, capfd):
    monkeypatch.setattr(_signing, "AGAIN_S", 0.2)
    keys, asked = Keys(), []

    def sign(version, message):
        asked.append(message)
        if len(asked) < 3:
            raise OSError("no token in the slot")
        return keys.sign(version, message)

    async def work():
        signing, _ = signing_of(desk, sign)
        signing.start()
        await wait_until(lambda: signing.signed_sequence)
        assert await signing.stop()

    asyncio.run(work())
    assert len(set(asked)) == 1, "a head that was decided is the one that is signed"
    said = capfd.readouterr().err
    assert said.count("expected a signature from the keystore, got: no token in the slot; tried again in 0.2 s") == 2
    assert said.count("has ended with status 4; it is started again in 0.2 s") == 2
