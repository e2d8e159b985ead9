"""A training installation touches nothing real; a copy of the ledger is verified and serves as the original did."""

import shutil

import pytest

from switch._directory import DirectoryError
from switch._verify import verify
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import DebitRequest, MessageType
from tests.support.desk import CARD, TILL_ID, TILL_KEY, make_shop
from tests.support.switch_process import SwitchProcess
from tests.support.till import RefusedError, Till


def sell(switch, amount_minor, trace_number, key=TILL_KEY):
    """One debit at the till of a shop; the reply."""
    with Till(switch.address, TILL_ID, key) as till:
        body = DebitRequest(
            trace_number=trace_number,
            business_date=till.terms.business_date,
            stamp_ms=0,
            card_number=CARD,
            amount_minor=amount_minor,
        )
        return till.ask(MessageType.DEBIT, body).reply


@pytest.mark.feature("GJ-110")
def test_what_is_done_in_training_leaves_the_real_balances_alone(tmp_path):
    real, training = make_shop(tmp_path / "real"), make_shop(tmp_path / "training")
    with SwitchProcess(real) as switch, SwitchProcess(training) as practice:
        before = sell(switch, 100, 1).balance_minor
        for n in range(1, 6):
            assert sell(practice, 1_000, n).code == ResponseCode.APPROVED
        assert sell(switch, 100, 2).balance_minor == before - 100
        with pytest.raises(RefusedError):
            sell(switch, 100, 3, key=bytes(32))  # only the key of the real till opens the real switch
        assert switch.stop() == 0 and practice.stop() == 0
    assert verify(real) == 0 and verify(training) == 0


@pytest.mark.feature("EF-062")
def test_a_copy_of_the_ledger_is_clean_and_goes_on_where_the_original_stood(tmp_path):
    data, copy = make_shop(tmp_path / "data"), tmp_path / "copy"
    with SwitchProcess(data) as switch:
        for n in range(1, 30):
            left = sell(switch, 10, n).balance_minor
        assert switch.stop() == 0
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("ledger", "lock"))  # as docs/durability.md says
    assert verify(copy) == 0
    with SwitchProcess(copy) as switch:
        assert sell(switch, 10, 29).balance_minor == left  # the last answer is known, and given again
        assert sell(switch, 10, 30).balance_minor == left - 10
        assert switch.stop() == 0
    (copy / "journal" / "000000000000.segment").unlink()
    with pytest.raises(DirectoryError, match="restore it from a copy"):
        verify(copy)
