"""The process that brings the balance store up is killed in the middle of its work, again and again."""

import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from switch.ledger import Checkpoint, Ledger
from switch.protocol.records import RecordKind
from tests.support.desk import SEGMENT_BYTES, Desk, blocks_of, make_shop, reader_of
from tests.support.switch_process import ROOT

CARDS = range(60_000_000, 60_000_400)
DAY_MS = 86_400_000
KILLS = 15


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two business dates of debits and reversals on many cards; blocks of some entries each."""
    path = make_shop(tmp_path_factory.mktemp("store") / "data")
    desk = Desk(path)
    for card in CARDS:
        desk.open_card(card)
        desk.credit(1_000, card=card)
    desk.commit()
    for n in range(900):
        card = CARDS[n * 7 % len(CARDS)]
        original = desk.debit(1, card=card, line_count=n % 4)
        if n % 5 == 0:
            desk.reverse(original, 1, card=card)
        if n % 3 == 0:
            desk.commit()
        if n == 500:
            desk.now_ms += DAY_MS
    desk.commit()
    return path


def content(ledger):
    """All that the store says: where it stands, records, answers."""
    with ledger.snapshot() as snapshot:
        done = snapshot.checkpoint()
        records = {kind.name: list(snapshot.records(kind)) for kind in RecordKind}
    return done, records, {day: ledger.answers(day, size) for day, size in done.answers_bytes.items()}


def store_at(path, folder, position):
    """What a store says that was brought to a position in one go, undisturbed."""
    ledger = Ledger(folder)
    if position:
        ledger.advance(reader_of(path, Checkpoint()), position)
    found = content(ledger)
    ledger.close()
    shutil.rmtree(folder)
    return found


def spawn(path):
    """The process as the switch starts it."""
    arguments = [str(path / "ledger"), str(path / "journal"), "0", str(SEGMENT_BYTES)]
    return subprocess.Popen(
        [sys.executable, "-m", "switch._checkpointer", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_a_checkpoint_that_is_killed_leaves_the_store_at_the_one_before_or_at_its_end(shop, tmp_path):
    seed = int(os.environ.get("CARDSWITCH_CRASH_SEED") or random.SystemRandom().getrandbits(32))
    chance = random.Random(seed)
    ends = [block.end for block in blocks_of(shop)]
    seen: set[int] = set()
    try:
        for _ in range(KILLS):
            with spawn(shop) as child:
                assert child.stdin is not None
                assert child.stdout is not None
                first = next((n for n, end in enumerate(ends) if end > max(seen, default=0)), len(ends) - 1)
                wanted = ends[first : first + 12]
                child.stdin.write("".join(f"{end}\n" for end in wanted).encode())
                child.stdin.flush()
                child.stdout.readline()  # the first of them is done; now somewhere in the others
                time.sleep(chance.random() * 0.012)
                child.kill()
                reported = [int(line) for line in child.stdout.read().split()]

            ledger = Ledger(shop / "ledger")
            found = content(ledger)
            ledger.close()
            position = found[0].position
            assert position in ends
            assert position >= max([wanted[0], *reported]), "what was reported is there"
            assert found == store_at(shop, tmp_path / "fresh", position)
            seen.add(position)
    except AssertionError as error:
        error.add_note(f"again: CARDSWITCH_CRASH_SEED={seed} .venv/bin/python -m pytest tests/crash -k checkpoint")
        raise
    assert len(seen) > KILLS // 2
