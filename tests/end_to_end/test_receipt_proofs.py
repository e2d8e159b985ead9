"""A switch that signs its journal: receipts are proved to outsiders while it serves, whoever is killed in between."""

import itertools
import json
import os
import signal
import threading
import time

import pytest

from switch._heads import Heads
from switch.protocol.heads import HEAD_BYTES
from switch.protocol.messages import BillLine, DebitRequest, MessageType
from tests.support.desk import CARD, OTHER_CARD, TILL_ID, TILL_KEY, entries_of, make_shop
from tests.support.notarized import keystore_switch, notary_process, signing_switch, verify_apart, write_public_key
from tests.support.switch_process import run_cardswitch
from tests.support.till import Till

PATIENCE_S = 30


@pytest.fixture
def shop(tmp_path):
    return make_shop(tmp_path / "data")


@pytest.fixture
def public_key(tmp_path):
    return write_public_key(tmp_path / "notary.pem")


def wait_until(condition, what):
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"it never came: {what}"
        time.sleep(0.01)


class Load:
    """Sells at one till, several requests under way, until it is stopped; keeps the sequences that were answered."""

    WINDOW = 16
    trace_numbers = itertools.count(100_000)

    def __init__(self, switch):
        self.sequences: list[int] = []
        self._switch = switch
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _run(self):
        with Till(self._switch.address, TILL_ID, TILL_KEY) as till:
            under_way = 0
            while under_way or not self._over.is_set():
                while under_way < self.WINDOW and not self._over.is_set():
                    trace_number = next(self.trace_numbers)
                    lines = tuple(BillLine(item=n, amount_minor=1) for n in range(trace_number % 4))
                    card = CARD if trace_number % 3 else OTHER_CARD
                    request = DebitRequest(
                        business_date=till.terms.business_date,
                        stamp_ms=0,
                        trace_number=trace_number,
                        card_number=card,
                        amount_minor=1 + len(lines),
                        lines=lines,
                    )
                    till.send(MessageType.DEBIT, request)
                    under_way += 1
                reply = till.receive().reply
                under_way -= 1
                if reply.journal_sequence:
                    self.sequences.append(reply.journal_sequence)


def signed_sequence(shop):
    """Last entry that a head covers."""
    heads = Heads(shop / "journal")
    count = heads.signed_count()
    return heads.signed(count - 1).last_sequence if count else 0


def test_a_receipt_is_proved_while_the_switch_sells_and_an_outsider_checks_it(shop, public_key, tmp_path):
    apart = tmp_path / "auditor"
    with signing_switch(shop) as switch:
        with Load(switch) as load:
            wait_until(lambda: len(load.sequences) > 200, "sales")
            sequence = load.sequences[100]
            wait_until(lambda: signed_sequence(shop) >= sequence, "a head")
            proof = tmp_path / "proof.json"
            proved = run_cardswitch("receipt", "prove", sequence, "--data", shop, "--out", proof)
            assert proved.returncode == 0, proved.stderr
        checked = verify_apart(apart, proof, "--public-key", public_key)
        assert (checked.returncode, checked.stderr) == (0, "")
        assert f"entry         {sequence}\n" in checked.stdout
        assert "RIGHT" in checked.stdout
        assert str(CARD) not in checked.stdout
        assert str(OTHER_CARD) not in checked.stdout

        kept = tmp_path / "head.json"
        assert run_cardswitch("receipt", "head", "--data", shop, "--out", kept).returncode == 0
        assert switch.stop() == 0
    last = entries_of(shop)[-1].header.sequence
    assert signed_sequence(shop) == last, "an orderly stop signs everything"
    audited = verify_apart(apart, "--journal", shop / "journal", "--public-key", public_key, "--known-head", kept)
    assert audited.returncode == 0, audited
    assert f"RIGHT: entries 1 to {last} are as signed" in audited.stdout
    again = run_cardswitch("receipt", "check", proof, "--public-key", public_key)
    assert (again.returncode, again.stdout) == (0, checked.stdout)


def test_notary_and_switch_are_killed_again_and_again_and_no_head_is_ever_signed_twice(shop, public_key, tmp_path):
    """Every head that anybody could read stays as it was read."""
    seen: dict[int, bytes] = {}
    path = shop / "journal" / "heads"

    def look():
        content = path.read_bytes() if path.exists() else b""
        for number in range(len(content) // HEAD_BYTES):
            head = content[number * HEAD_BYTES : (number + 1) * HEAD_BYTES]
            if any(head[-64:]):
                assert seen.setdefault(number, head) == head, f"head {number} was signed twice"

    with signing_switch(shop) as switch:
        for _ in range(3):
            with Load(switch):
                for _ in range(4):
                    before = len(seen)
                    wait_until(lambda: notary_process(switch) is not None, "a notary")
                    wait_until(lambda before=before: (look(), len(seen) > before)[1], "a new head")
                    child = notary_process(switch)
                    if child is not None:
                        os.kill(child, signal.SIGKILL)
                    look()
            switch.kill()
            look()
            switch.start()
        assert switch.stop() == 0
    look()
    assert len(seen) == Heads(shop / "journal").count() == Heads(shop / "journal").signed_count()
    audited = verify_apart(tmp_path / "auditor", "--journal", shop / "journal", "--public-key", public_key)
    assert audited.returncode == 0, audited


def test_without_its_keystore_a_switch_sells_and_says_what_is_missing_and_signs_later(shop):
    away = keystore_switch(shop)
    away.touch()
    with signing_switch(shop) as switch:
        with Load(switch) as load:
            wait_until(lambda: "expected a signature from the keystore, got: the keystore is away" in switch.output, "")
            sold = len(load.sequences)
            wait_until(lambda: len(load.sequences) > sold + 100, "sales without a keystore")
        assert signed_sequence(shop) == 0
        refused = run_cardswitch("receipt", "prove", 5, "--data", shop)
        assert refused.returncode == 1
        assert "expected a head that covers it, but no head is signed" in refused.stderr
        away.unlink()
        wait_until(lambda: signed_sequence(shop) >= load.sequences[-1], "heads for all of it")
        assert switch.stop() == 0


def test_a_switch_whose_journal_contradicts_its_heads_says_so_once_and_sells_on(shop):
    with signing_switch(shop) as switch:
        wait_until(lambda: signed_sequence(shop) > 0, "a head")
        switch.stop()
    heads = shop / "journal" / "heads"
    content = bytearray(heads.read_bytes())
    content[-1] ^= 1
    heads.write_bytes(content)
    with signing_switch(shop) as switch:
        with Load(switch) as load:
            wait_until(lambda: "nothing more is signed" in switch.output, "a word about it")
            sold = len(load.sequences)
            wait_until(lambda: len(load.sequences) > sold + 100, "sales")
        assert switch.stop() == 0
        assert "to be signed with version 3 of the signing key, got another signature" in switch.output
        assert switch.output.count("nothing more is signed") == 1
    assert heads.read_bytes() == content


def test_a_proof_with_another_code_or_of_no_entry_is_refused_in_one_line(shop):
    with signing_switch(shop) as switch:
        wait_until(lambda: signed_sequence(shop) > 0, "a head")
        last = entries_of(shop)[-1].header.sequence
        for arguments, words in (
            ((last + 1,), f"expected it in the journal, got {last} entries"),
            ((0,), "expected 1 or more, got 0"),
            ((1, "--code", "ABCDEFGU"), "expected digits and letters without U, got 'U'"),
            ((1, "--code", "ABCDEFGH"), "expected receipt code ABCDEFGH, got an entry without a code"),
        ):
            refused = run_cardswitch("receipt", "prove", *arguments, "--data", shop)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr.count("\n") == 1
            assert words in refused.stderr
        switch.stop()


def test_a_proof_is_json_that_says_what_it_is(shop):
    with signing_switch(shop) as switch:
        wait_until(lambda: signed_sequence(shop) > 0, "a head")
        switch.stop()
    proved = run_cardswitch("receipt", "prove", 2, "--data", shop)

    proof = json.loads(proved.stdout)

    assert (proof["format"], proof["sequence"], proof["leaf_index"]) == ("cardswitch receipt proof 1", 2, 1)
