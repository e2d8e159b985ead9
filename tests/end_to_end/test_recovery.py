"""What befalls a switch in service, and how it comes back: kills, lost stores, full disks."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from switch._checkpoints import AGAIN_S
from switch._segments import SPARE_COUNT
from switch._verify import verify
from switch.ledger import Ledger
from switch.protocol.codes import CodeClass, ResponseCode, code_class
from switch.protocol.messages import BillLine, DebitRequest, MessageType, ReversalRequest
from tests.support.desk import (
    CARD,
    OPENING_MINOR,
    OTHER_CARD,
    SEGMENT_BYTES,
    TILL_ID,
    TILL_KEY,
    blocks_of,
    entries_of,
    make_shop,
)
from tests.support.switch_process import SwitchProcess
from tests.support.till import HungUpError, Till

PATIENCE_S = 20
CHECKPOINTER, NOTARY = "switch._checkpointer", "switch._notary_process"
LONG_BILL = tuple(BillLine(item=n, amount_minor=1) for n in range(255))


@pytest.fixture
def shop(tmp_path):
    return make_shop(tmp_path / "data")


class Cashier:
    """Sends numbered requests at one till and keeps what was answered."""

    def __init__(self, till, first_trace_number=10_000):
        self.till = till
        self.trace_number = first_trace_number - 1
        self.answered = []

    def debit(self, amount_minor=1, lines=(), card=CARD):
        self.trace_number += 1
        return self._ask(
            MessageType.DEBIT,
            DebitRequest(**self._key(), card_number=card, amount_minor=amount_minor, lines=lines),
        )

    def reverse(self, original):
        self.trace_number += 1
        return self._ask(
            MessageType.REVERSAL,
            ReversalRequest(
                **self._key(),
                card_number=original.card_number,
                amount_minor=original.amount_minor,
                original_trace_number=original.trace_number,
                original_business_date=original.business_date,
            ),
        )

    def _key(self):
        return {"trace_number": self.trace_number, "business_date": self.till.terms.business_date, "stamp_ms": 0}

    def _ask(self, type_, request):
        answer = self.till.ask(type_, request)
        if code_class(answer.reply.code) in (CodeClass.APPROVED, CodeClass.FINAL):
            self.answered.append((type_, request, answer.body))
        return answer.reply


def sign_on(switch):
    return Till(switch.address, TILL_ID, TILL_KEY)


def assert_nothing_is_lost(path, answered):
    """Every answer is in the journal, once, as it was given."""
    journaled: dict[tuple[int, bytes], list[bytes]] = {}
    for entry in entries_of(path):
        journaled.setdefault((entry.header.terminal_id, entry.request), []).append(entry.reply)
    assert [journaled.get((TILL_ID, request.encode())) for _, request, _ in answered] == [
        [reply] for _, _, reply in answered
    ]


def wait_until(condition, what, patience_s=PATIENCE_S):
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, f"it never came: {what}"
        time.sleep(0.01)


def store_position(path):
    if not (path / "ledger" / "data.mdb").exists():
        return 0
    ledger = Ledger(path / "ledger", readonly=True)
    position = ledger.checkpoint().position
    ledger.close()
    return position


# ------------------------------------------------------------------------ kills


@pytest.mark.feature("VC-022", "EF-057")
def test_after_a_kill_every_answered_request_is_there_and_hears_the_same_answer_again(shop):
    with SwitchProcess(shop) as switch:
        with sign_on(switch) as till:
            cashier = Cashier(till)
            for n in range(1, 40):
                cashier.debit(n, LONG_BILL[: n % 5])
            cashier.debit(10**9)
            cashier.reverse(cashier.answered[3][1])
        switch.kill()
        switch.start()

        assert switch.replayed_count == len(entries_of(shop))
        assert_nothing_is_lost(shop, cashier.answered)
        with sign_on(switch) as till:
            assert [till.ask(type_, request).body for type_, request, _ in cashier.answered] == [
                body for _, _, body in cashier.answered
            ]
            assert till.balance_minor(CARD) == OPENING_MINOR - sum(range(1, 40)) + 4
        switch.stop()
    assert verify(shop) == 0


def test_a_balance_store_that_was_removed_is_rebuilt_at_the_next_start(shop, capsys):
    with SwitchProcess(shop) as switch:
        with sign_on(switch) as till:
            Cashier(till).debit(123)
        switch.stop()
        end = blocks_of(shop)[-1].end
        shutil.rmtree(shop / "ledger")

        switch.start()

        assert switch.replayed_count == len(entries_of(shop))
        with sign_on(switch) as till:
            assert till.balance_minor(CARD) == OPENING_MINOR - 123
            Cashier(till, 20_000).debit(1)
        switch.stop()
    assert store_position(shop) > end
    assert verify(shop) == 0
    assert f"balance store compared at {store_position(shop):,}" in capsys.readouterr().out


def test_a_segment_whose_preparation_was_cut_short_does_no_harm(shop):
    (shop / "journal" / "000000000002.preparing").write_bytes(b"half")
    with SwitchProcess(shop) as switch:
        with sign_on(switch) as till:
            cashier = Cashier(till)
            for _ in range(300):
                cashier.debit(1, LONG_BILL)

        assert blocks_of(shop)[-1].position > 2 * SEGMENT_BYTES
        switch.stop()
    assert_nothing_is_lost(shop, cashier.answered)
    assert verify(shop) == 0


def test_a_switch_whose_checkpoint_process_was_killed_goes_on_answering_and_says_so(shop):
    with SwitchProcess(shop) as switch:
        os.kill(child_of(switch, CHECKPOINTER), signal.SIGKILL)

        with sign_on(switch) as till:
            cashier = Cashier(till)
            cashier.debit(5)
            wait_until(lambda: "the checkpoint process has ended" in switch.output, "a word about it")
            cashier.debit(6)
        assert switch.stop() == 0
        switch.start()
        with sign_on(switch) as till:
            assert till.balance_minor(CARD) == OPENING_MINOR - 11
        switch.stop()
    assert store_position(shop) == blocks_of(shop)[-1].end
    assert verify(shop) == 0


def test_a_switch_whose_checkpoint_process_was_killed_does_not_claim_a_store_that_is_up_to_date(shop):
    with SwitchProcess(shop) as switch:
        os.kill(child_of(switch, CHECKPOINTER), signal.SIGKILL)
        with sign_on(switch) as till:
            Cashier(till).debit(5)

        switch.stop()

        claim = "everything answered is in the journal and in the balance store" in switch.output
    assert claim == (store_position(shop) == blocks_of(shop)[-1].end)


@pytest.mark.parametrize("module", [CHECKPOINTER, NOTARY])
def test_a_process_of_the_switch_ends_with_a_switch_that_was_killed(shop, module):
    with SwitchProcess(shop) as switch:
        child = child_of(switch, module)

        switch.kill()

        wait_until(lambda: not is_running(child), "its end")


def child_of(switch, module):
    """Number of the process that runs a module for the switch, once it does."""

    def found():
        return [pid for pid in switch.children() if module.encode() in command_of(pid)]

    wait_until(found, f"the process of {module}")
    (child,) = found()
    return child


def command_of(pid):
    """Its command line in words; none when it is not there any more."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_verify_beside_a_running_switch_is_refused_or_clean_and_does_no_harm(tmp_path):
    path = make_shop(tmp_path / "data")
    with SwitchProcess(path) as switch:
        partial = path / "journal" / "000000000077.preparing"
        partial.write_bytes(b"being prepared")

        verify(path)

        assert partial.exists()
        assert switch.stop() == 0


# ------------------------------------------------------------------------ full disks


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB: the journal's first segments fit, and then no more."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount the small file system that this test fills")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder):
    """Take all the space that is left, but for some pages, so that the balance store and a log line still fit."""
    spare_bytes = SEGMENT_BYTES // 2
    free_bytes = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
    filler = folder / "filler"
    filler.write_bytes(bytes(max(0, free_bytes - spare_bytes)))
    return filler


def debit_until_refused(cashier):
    for _ in range(2_000):
        reply = cashier.debit(1, LONG_BILL)
        if reply.code != ResponseCode.APPROVED:
            return reply
    raise AssertionError("the disk never got full")


def test_a_full_disk_refuses_debits_serves_balances_takes_reversals_and_heals_by_itself(small_disk):
    path = make_shop(small_disk / "data")
    with SwitchProcess(path) as switch, sign_on(switch) as till:
        wait_until(lambda: till.statistics()["segments_spare"] >= SPARE_COUNT, "spare segments")
        filler = fill(small_disk)
        cashier = Cashier(till)

        debit_until_refused(cashier)
        wait_until(lambda: till.statistics()["disk_full"] == 1, "the preparer's word that the disk is full")
        refused = cashier.debit(1)

        # By name, with the advice to come again, and nothing is recorded under the trace number.
        assert (refused.code, refused.retry_after_ms) == (ResponseCode.DISK_FULL, 1_000)
        assert code_class(refused.code) is CodeClass.RETRY
        spent_minor = len(cashier.answered)
        assert till.balance_minor(CARD) == OPENING_MINOR - spent_minor

        # Reversals pass until the reserve is used, and then they hear the same.
        originals = [request for _, request, _ in cashier.answered]
        reversed_count = 0
        while cashier.reverse(originals[reversed_count]).code == ResponseCode.APPROVED:
            reversed_count += 1
            assert cashier.debit(1).code == ResponseCode.DISK_FULL
            if reversed_count == len(originals):
                break
        assert reversed_count > 100
        assert till.balance_minor(CARD) == OPENING_MINOR - spent_minor + reversed_count
        assert till.ask(*cashier.answered[0][:2]).body == cashier.answered[0][2], "repeats are still answered"

        # Space returns: nobody has to do anything.
        filler.unlink()
        wait_until(lambda: till.statistics()["segments_spare"] > 0, "a segment")
        codes = [cashier.debit(1).code, cashier.reverse(originals[-1]).code]
        assert codes == [ResponseCode.APPROVED] * 2
        assert till.statistics()["disk_full"] == 0
        assert switch.stop() == 0
        assert_nothing_is_lost(path, cashier.answered)
        assert verify(path) == 0


def test_a_switch_that_is_killed_on_a_full_disk_starts_there_again(small_disk):
    path = make_shop(small_disk / "data")
    with SwitchProcess(path) as switch:
        with sign_on(switch) as till:
            wait_until(lambda: till.statistics()["segments_spare"] >= SPARE_COUNT, "spare segments")
            filler = fill(small_disk)
            cashier = Cashier(till)
            debit_until_refused(cashier)
            switch.kill()
            with pytest.raises(HungUpError):
                till.receive()

        switch.start()

        with sign_on(switch) as till:
            assert till.balance_minor(CARD) == OPENING_MINOR - len(cashier.answered)
            again = Cashier(till, 100_000)
            wait_until(lambda: again.debit(1).code == ResponseCode.DISK_FULL, "a refusal by name")
            filler.unlink()
            wait_until(lambda: again.debit(1).code == ResponseCode.APPROVED, "an approval")
        switch.stop()
        assert_nothing_is_lost(path, cashier.answered)
        assert verify(path) == 0


def test_a_full_disk_does_not_end_the_checkpoints_for_good(small_disk):
    path = make_shop(small_disk / "data", checkpoint_bytes=1)
    with SwitchProcess(path) as switch, sign_on(switch) as till:
        wait_until(lambda: till.statistics()["segments_spare"] >= SPARE_COUNT, "spare segments")
        free_bytes = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
        filler = small_disk / "filler"
        filler.write_bytes(bytes(free_bytes))
        cashier = Cashier(till)
        for n in range(2):
            for _ in range(100):
                cashier.debit(1, card=CARD if n else OTHER_CARD)
            time.sleep(1.2)
        filler.unlink()

        cashier.debit(1)

        end = blocks_of(path)[-1].end
        patience_s = AGAIN_S + PATIENCE_S  # the process may have ended for want of space just now
        wait_until(lambda: store_position(path) >= end, "the balance store at the end of the journal", patience_s)
