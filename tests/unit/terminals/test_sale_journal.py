"""A sale's steps, what is kept of them, and what a till does with what it finds."""

import functools
import itertools
import os

import pytest

from switch.protocol.messages import (
    BillLine,
    DebitFlag,
    DebitRequest,
    LineResult,
    MessageType,
    Reply,
    Tender,
    TenderKind,
)
from terminals.columns import width
from terminals.pos_bill import SaleBill
from terminals.pos_words import Notice, advice
from terminals.printing import TextLine
from terminals.receipts import Language, lay_out, plain
from terminals.sale_journal import ENDED, ENDED_KEPT, NEXT_STEPS, SaleJournal, SaleJournalError, SaleRecord, SaleStep
from terminals.sale_receipt import ShopFacts, receipt_of
from terminals.sale_recovery import Found, Remedy, find, remedy
from terminals.trace import BookedRequest, Heard, MemoryTrace, OpenRequest

CARD = 6221_2600_1234_5674
BEGUN, DECIDED, PRINTING, DONE, UNDONE, STUCK = SaleStep
STAMP_MS = 1_795_000_000_123


def begun(number=1, stamp_ms=STAMP_MS, bill=None):
    request = (bill or SaleBill(12_50)).request(CARD, 12_50, stamp_ms)
    return SaleRecord(number=number, step=BEGUN, request=request.encode())


def at(step, **changes):
    sale = begun()
    ways = {BEGUN: [], DECIDED: [DECIDED], PRINTING: [DECIDED, PRINTING], DONE: [DECIDED, DONE]}
    for next_step in ways.get(step, [step]):
        sale = sale.to(next_step)
    return sale.to(step, **changes) if changes and step in NEXT_STEPS[sale.step] else sale


# --------------------------------------------------------------------------- steps


@pytest.mark.parametrize(("before", "after"), [*itertools.product(SaleStep, SaleStep)])
def test_only_known_steps_follow(before, after):
    if after in NEXT_STEPS[before]:
        assert at(before).to(after).step is after
    else:
        with pytest.raises(ValueError, match=f"after {before}, got {after}"):
            at(before).to(after)


def test_nothing_is_begun_twice_and_no_approval_is_forgotten():
    assert all(BEGUN not in after for after in NEXT_STEPS.values())
    assert all(DECIDED not in NEXT_STEPS[step] for step in ENDED)


# --------------------------------------------------------------------------- what a till finds


def open_request(sale, **fields):
    body = DebitRequest.decode(sale.request).encode()
    return OpenRequest(trace_number=9, business_date=5, type=MessageType.DEBIT, body=body, **fields)


def booked(sale, code=None):
    heard = None if code is None else Heard(code=code, amount_minor=12_50, journal_sequence=77)
    return BookedRequest(request=open_request(sale), heard=heard)


def booked_of(trace, trace_number):
    (entry,) = (entry for entry in trace.book() if entry.request.trace_number == trace_number)
    return entry


SALE = begun()
REMEDIES = [
    (BEGUN, Found(), Remedy.FORGET),
    (BEGUN, Found(open=open_request(SALE)), Remedy.SETTLE),
    (BEGUN, Found(open=open_request(SALE, stuck_code=103)), Remedy.ASK),
    (BEGUN, Found(booked=booked(SALE)), Remedy.FORGET),  # reversed: no answer was ever heard
    (BEGUN, Found(booked=booked(SALE, 51)), Remedy.FORGET),
    (BEGUN, Found(booked=booked(SALE, 0)), Remedy.REVERSE),
    (DECIDED, Found(booked=booked(SALE, 0)), Remedy.PRINT),
    (DECIDED, Found(), Remedy.PRINT),  # the book forgets after two dates
    (PRINTING, Found(booked=booked(SALE, 0)), Remedy.COPY),
    (DONE, Found(booked=booked(SALE, 0)), Remedy.NOTHING),
    (UNDONE, Found(booked=booked(SALE, 0)), Remedy.NOTHING),
    (STUCK, Found(open=open_request(SALE, stuck_code=103)), Remedy.NOTHING),
]


@pytest.mark.parametrize(("step", "found", "expected"), REMEDIES)
def test_each_sale_that_is_found_has_one_remedy(step, found, expected):
    assert remedy(at(step), found) is expected


def test_a_receipt_of_which_a_piece_came_out_is_a_copy():
    assert remedy(at(PRINTING).to(DECIDED, copy_number=1), Found()) is Remedy.COPY


def test_a_sale_is_found_by_its_stamp_among_others():
    trace = MemoryTrace("a test", keeps_book=True)
    mine, other = begun(stamp_ms=STAMP_MS), begun(2, stamp_ms=STAMP_MS + 1)
    for sale in (other, mine):
        trace.begin(MessageType.DEBIT, 5, functools.partial(lambda request, number: request, sale.request))
    trace.begin(MessageType.CONFIRM_WRITE, 5, lambda number: bytes(40))

    still_open = find(mine, trace.open_requests(), trace.book()).open
    assert still_open is not None and still_open.trace_number == 2
    trace.close(2, Heard(code=0, amount_minor=12_50, journal_sequence=77))
    found = find(mine, trace.open_requests(), trace.book())
    assert found == Found(booked=booked_of(trace, 2))
    assert find(begun(3, STAMP_MS + 2), trace.open_requests(), trace.book()) == Found()


# --------------------------------------------------------------------------- the file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "till.sales"


def reopened(path):
    journal = SaleJournal(path)
    journal.shut()
    return journal


def test_the_last_step_of_a_sale_is_found_again(path):
    journal = SaleJournal(path)
    sale = journal.put(begun())
    journal.put(begun(2, STAMP_MS + 5))
    journal.put(sale.to(DECIDED, reply=b"answer", trace_number=4))
    journal.shut()

    found = reopened(path)
    assert [sale.step for sale in found.open_sales()] == [DECIDED, BEGUN]
    assert (found.sale(1).trace_number, found.next_number, found.last_stamp_ms) == (4, 3, STAMP_MS + 5)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SaleJournalError, match="sale 7: expected one that is kept"):
        found.sale(7)


def test_a_torn_last_line_was_never_acted_on(path):
    journal = SaleJournal(path)
    journal.put(begun())
    journal.put(begun().to(DECIDED))
    journal.shut()
    content = path.read_bytes()
    first_bytes = content.index(b"\n") + 1

    for cut in range(first_bytes, len(content)):
        path.write_bytes(content[:cut])
        assert reopened(path).sale(1).step is BEGUN


def test_an_altered_line_in_the_middle_stops_the_till(path):
    journal = SaleJournal(path)
    for number in (1, 2):
        journal.put(begun(number))
    journal.shut()
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)

    with pytest.raises(SaleJournalError, match="line 1: expected a sale"):
        SaleJournal(path)


def test_a_file_is_for_one_till_alone(path):
    journal = SaleJournal(path)
    with pytest.raises(SaleJournalError, match="another process"):
        SaleJournal(path)
    journal.shut()
    reopened(path)


def test_ended_sales_are_kept_for_a_while_and_open_ones_for_ever(path):
    journal = SaleJournal(path)
    journal.put(begun(1))
    for number in range(2, ENDED_KEPT + 12):
        journal.put(begun(number).to(UNDONE))
    journal.shut()

    found = reopened(path)
    assert [sale.number for sale in found.open_sales()] == [1]
    assert found.next_number == ENDED_KEPT + 12
    assert found.sale(12).step is UNDONE
    with pytest.raises(SaleJournalError):
        found.sale(11)


def test_a_sale_that_cannot_be_stored_is_not_begun(path, monkeypatch):
    journal = SaleJournal(path)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(SaleJournalError, match="No space left"):
        journal.put(begun())
    assert journal.open_sales() == []
    with pytest.raises(SaleJournalError, match="a closed one"):
        journal.put(begun())


# --------------------------------------------------------------------------- bill, receipt, words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": -5}, "refund instead"),
        ({"amount_minor": 5, "lines": (BillLine(amount_minor=4),)}, "sum of the lines"),
        ({"amount_minor": 5, "flags": DebitFlag.PARTIAL}, "flags"),
        ({"amount_minor": 5, "flags": DebitFlag.PRICED}, "priced"),
        ({"amount_minor": 0, "flags": DebitFlag.PRICED, "lines": (BillLine(amount_minor=4),)}, "priced"),
        ({"amount_minor": 5, "names": ("a",)}, "names"),
    ],
)
def test_a_bill_that_no_card_can_pay_is_refused_before_a_card_is_asked_for(fields, words):
    with pytest.raises(ValueError, match=words):
        SaleBill(**fields)


def paid(bill, amount_minor, results=(), **answer):
    asked = bill.request(CARD, bill.amount_minor, STAMP_MS)
    more = b"".join(result.encode() for result in results)
    fields = {"code": 0, "amount_minor": amount_minor, "due_minor": amount_minor, "journal_sequence": 4711}
    reply = Reply(**(fields | answer), receipt_code=1, more=more)
    return SaleRecord(number=1, step=PRINTING, request=asked.encode(), names=bill.names, reply=reply.encode())


def text(sale, language=Language.ENGLISH):
    document = lay_out(receipt_of(sale, ShopFacts("Shop", "7", "Li", language)), language)
    assert all(width(line.text) * (1 + line.is_double) <= 48 for line in document if isinstance(line, TextLine))
    return plain(document)


def test_a_receipt_has_lines_discounts_tenders_points_and_the_masked_number():
    bill = SaleBill(
        16_00,
        (BillLine(item=1, amount_minor=10_00, quantity_milli=2_000), BillLine(item=2, amount_minor=6_00)),
        ("Tea", ""),
        (Tender(kind=TenderKind.CARD, amount_minor=10_00), Tender(kind=TenderKind.CASH, amount_minor=6_00)),
    )
    results = (LineResult(discount_minor=1_00, points_hundredths=900), LineResult(points_hundredths=600))
    printed = text(
        paid(
            bill, 10_00, results, due_minor=15_00, discount_minor=1_00, change_minor=1_03, round_off_minor=3,
            points_hundredths=1_500, points_balance_hundredths=9_900, balance_minor=50_00,
        )
    )  # fmt: skip

    rows = [line.split() for line in printed.splitlines()]
    for row in (["Tea"], ["2", "x", "5.00", "10.00"], ["Discount", "-1.00"], ["2", "6.00"], ["Round-off", "-0.03"]):
        assert row in rows
    for row in (["Change", "1.03"], ["Card", "10.00"], ["Cash", "6.00"], ["Sequence", "4711"], ["Total", "14.97"]):
        assert row in rows
    assert ["Points", "earned", "15.00"] in rows and ["Receipt", "code", "00000001"] in rows
    assert "622126******5674" in printed and str(CARD) not in printed


def test_a_receipt_of_prices_from_the_list_rounds_as_the_switch_does():
    bill = SaleBill(0, (BillLine(item=5, amount_minor=0, quantity_milli=350),), flags=DebitFlag.PRICED)
    printed = text(paid(bill, 3_50, (LineResult(unit_price_minor=9_99),)), Language.CHINESE)

    assert "0.35 x 9.99" in printed and "合计" in printed and "3.50" in printed


def test_a_bill_without_lines_and_a_copy_say_so():
    sale = paid(SaleBill(12_50), 12_50)
    assert "Goods" in text(sale) and "COPY" not in text(sale)
    again = sale.to(DECIDED, copy_number=2)
    assert "* COPY No. 2 *" in text(again)


def test_every_notice_and_every_refusal_says_in_both_languages_what_to_do():
    for words in [*(notice.value for notice in Notice), *(advice(code) for code in range(1, 232)), advice(None)]:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in words.chinese)
        assert words.english.isascii()
