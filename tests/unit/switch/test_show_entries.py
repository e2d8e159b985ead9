import re

import pytest

from switch._show import show
from switch.protocol.messages import CardOperation, MessageType
from tests.support.desk import CARD, OPERATOR_ID, OTHER_CARD, TILL_KEY, Desk, entries_of, make_shop

SHORT_CARD = 12_345_678


@pytest.fixture
def shop(tmp_path):
    path = make_shop(tmp_path / "data")
    desk = Desk(path)
    original = desk.debit(1_234, line_count=2)
    desk.debit(10**9, card=OTHER_CARD)
    desk.reverse(original, 1_234)
    desk.open_card(OTHER_CARD + 1, CARD)
    desk.open_card(SHORT_CARD)
    desk.operate(CardOperation.FREEZE, SHORT_CARD, operator_id=71)
    desk.commit()
    return path


def lines(capsys, path, start=1, count=1_000, card=None):
    assert show(path, start, count, card) == 0
    return capsys.readouterr().out.splitlines()


def test_every_entry_is_one_line_in_the_order_of_the_journal(shop, capsys):
    shown = lines(capsys, shop)

    assert [int(line.split()[0]) for line in shown] == [entry.header.sequence for entry in entries_of(shop)]


def test_an_approved_debit_tells_what_was_asked_and_what_became_of_it(shop, capsys):
    debit = next(line for line in lines(capsys, shop) if "debit" in line)

    assert re.search(r"terminal +7 trace +\d+ +debit +0 approved +card 622202\*{6}4533", debit)
    assert "asked 1234 done 1234 balance 99998766  points +0.00 = 0.00" in re.sub(r" +points", "  points", debit)


def test_a_refusal_is_told_by_name(shop, capsys):
    refused = [line for line in lines(capsys, shop) if " 51 funds" in line]

    assert len(refused) == 1
    assert "done 0" in refused[0]


def test_no_line_has_a_whole_card_number_or_a_key(shop, capsys):
    text = "\n".join(lines(capsys, shop))

    for number in (CARD, OTHER_CARD, OTHER_CARD + 1, SHORT_CARD):
        assert str(number) not in text
    wrapped = [
        entry.request[32:72] for entry in entries_of(shop) if entry.header.request_type == MessageType.PUT_TERMINAL
    ]
    assert len(wrapped) == 2
    for secret in [TILL_KEY, *wrapped]:
        assert secret.hex()[:16] not in text
    assert not re.search(r"\d{13}", text)


def test_it_begins_at_a_sequence_and_ends_after_a_count(shop, capsys):
    shown = lines(capsys, shop, start=4, count=3)

    assert [int(line.split()[0]) for line in shown] == [4, 5, 6]


def test_it_shows_one_card_alone(shop, capsys):
    shown = lines(capsys, shop, card=OTHER_CARD)

    assert len(shown) == 3
    assert all("card 622202******3228" in line for line in shown)


def test_a_card_that_nobody_has_has_no_lines(shop, capsys):
    assert lines(capsys, shop, card=99_999_999) == []


def test_operators_are_shown_with_the_trace_numbers_of_their_requests(shop, capsys):
    freeze = next(line for line in lines(capsys, shop) if "operate_card" in line)

    assert re.search(rf"terminal +{OPERATOR_ID} trace +\d+ ", freeze)
    assert "card ********" in freeze
    assert freeze.endswith("operation 10  count 1  operator_id 71")
