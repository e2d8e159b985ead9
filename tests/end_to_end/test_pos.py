"""A till sells: cards of every kind through real readers to a running switch and back, and copies are caught.

pcscd, its virtual reader and the training card are the real programs; printer, encoder, stripe reader and scanner are
virtual devices behind pseudo-terminals.
"""

import json
import shutil
import threading

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    CardStatus,
    Tender,
    TenderKind,
)
from switch.protocol.receipt_code import parse_receipt_code
from switch.protocol.records import RecordKind
from terminals.credentials import write_credentials
from terminals.pos_bill import SaleBill
from terminals.pos_cashier import SaleResult
from terminals.pos_words import Notice
from terminals.stripe_card import Written
from terminals.swipe import check_character
from terminals.virtual_serial import Fault
from terminals.workstation import write_workstation
from tests.support.media_shop import CARD, CODE_TOKEN
from tests.support.pcsc import CONTACTLESS, CardProcess
from tests.support.pos_world import (
    BILL,
    DAY_CARD,
    DAY_TILL,
    DEBIT,
    PAID,
    PIN,
    PIN_ABOVE_MINOR,
    PLAIN_CARD,
    REFUND,
    REVERSAL,
    SHELL_CARD,
    SHELL_TILL,
    STRIPE_CARD,
    SWIPED_CARD,
    SWIPED_TILL,
    TAP_CARD,
    TAP_UID,
    Before,
    make_in,
    operator_of,
    receipts,
    run,
    sell_next,
)
from tests.support.switch_process import run_cardswitch
from tests.support.till_counter import HASTY, Effect

# --------------------------------------------------------------------------- honest sales

SWIPE_AGAIN_S = 20
"""A till in a shell is ready within a second or two, on a busy machine within ten."""


@pytest.mark.feature("K3-099")
def test_a_chip_pays_and_takes_the_answer(pos_counter, pos_chip):
    before, was = Before(pos_counter), pos_chip.memory

    async def sell():
        async with pos_counter.till() as pos:
            return await pos.sale(BILL)

    sale = run(sell())

    assert (sale.result, sale.code, sale.written, sale.is_printed) == (SaleResult.PAID, 0, Written.NEW, True)
    assert before.effects == PAID
    after = pos_chip.memory
    assert after.counter == was.counter + 1 and after.chain != was.chain and after.log[-1].answered
    assert after.log[-1].terminal == b"00000007".hex()
    text = pos_counter.paper.text
    assert "6221260000000000"[:6] + "******5674" in text and str(CARD) not in text
    assert f"{sale.reply.journal_sequence}" in text and "12.50" in text and "Milk" in text
    code = next(line for line in pos_counter.paper.lines if line.startswith("Receipt code")).split()[-1]
    assert parse_receipt_code(code) == sale.reply.receipt_code != 0


def test_a_chip_goes_over_to_the_next_key_and_pays_with_it(pos_counter, pos_chip):
    run(sell_next(pos_counter))
    assert (pos_chip.memory.key_version, pos_chip.memory.held_keys) == (2, ())

    before = Before(pos_counter)
    assert run(sell_next(pos_counter)).result is SaleResult.PAID
    assert before.effects == PAID


def test_a_chip_in_the_field_pays_without_contact(chip_world, pos_counter, pos_shop, pos_chip):
    pos_chip.pull_out()
    try:
        with chip_world.card("field", CONTACTLESS, uid=TAP_UID) as card:
            make_in(CONTACTLESS, pos_shop, TAP_CARD)
            before = Before(pos_counter, TAP_CARD)
            sale = run(sell_next(pos_counter))
            assert (sale.result, sale.written) == (SaleResult.PAID, Written.NEW)
            assert before.effects == PAID and card.memory.log[-1].answered
    finally:
        pos_chip.insert()


def test_a_large_amount_asks_for_the_pin_and_for_the_chip_once_more(pos_counter, pos_chip):
    before, was = Before(pos_counter), pos_chip.memory.counter

    async def sell():
        async with pos_counter.till() as pos:
            pos_counter.clerk.pins = [b"9999", PIN]
            return await pos.sale(SaleBill(PIN_ABOVE_MINOR + 1))

    sale = run(sell())

    assert sale.result is SaleResult.PAID
    assert before.effects == [Effect(DEBIT, 0, PIN_ABOVE_MINOR + 1)]
    assert pos_chip.memory.counter == was + 3  # without, with a wrong one, with the right one


def test_a_customer_without_pin_pays_nothing(pos_counter, pos_chip):
    before = Before(pos_counter)
    sale = run(sell_next(pos_counter, SaleBill(PIN_ABOVE_MINOR + 1)))

    assert (sale.result, sale.code) == (SaleResult.DECLINED, ResponseCode.REFER)
    assert before.effects == [] and receipts(pos_counter) == 0
    assert run(sell_next(pos_counter)).result is SaleResult.PAID


def test_a_dynamic_code_pays_once(pos_counter):
    pos_counter.with_chips = False
    before = Before(pos_counter)

    async def sell(*refreshes):
        async with pos_counter.till(card_wait_ms=5_000) as pos:
            pos_counter.clerk.at(
                Notice.PRESENT_CARD, *(pos_counter.show_code(number, CODE_TOKEN) for number in refreshes)
            )
            return await pos.sale(BILL), pos_counter.clerk.notices

    sale, _ = run(sell(1))
    assert sale.result is SaleResult.PAID
    assert before.effects == PAID

    sale, notices = run(sell(1, 2))  # shown again, refused, then a fresh one
    assert sale.result is SaleResult.PAID and notices.count(Notice.PRESENT_CARD) == 2
    assert before.effects == PAID + PAID


def test_a_stripe_pays_and_is_rewritten(pos_counter, pos_shop):
    pos_counter.with_chips = False
    before = Before(pos_counter, STRIPE_CARD)
    first = pos_shop.track_2(STRIPE_CARD, 1)
    pos_counter.put_stripe(first)

    async def sell():
        async with pos_counter.till() as pos:
            pos_counter.clerk.at(Notice.PRESENT_CARD, pos_counter.show_swipe(pos_counter.stripe_now()))
            return await pos.sale(BILL)

    sale = run(sell())
    assert (sale.result, sale.written) == (SaleResult.PAID, Written.NEW)
    assert pos_counter.stripe_now() == pos_shop.track_2(STRIPE_CARD, 2)

    pos_counter.encoder.fault = Fault.WRITE_LOST  # today's rewriting is done: no other is asked for
    sale = run(sell())
    assert (sale.result, sale.written) == (SaleResult.PAID, None)
    assert before.effects == PAID + PAID


def test_a_number_alone_does_not_pay(pos_counter):
    pos_counter.with_chips = False
    before = Before(pos_counter, PLAIN_CARD)

    async def sell():
        async with pos_counter.till() as pos:
            pos_counter.clerk.at(Notice.PRESENT_CARD, lambda: pos.card_input.type_number(str(PLAIN_CARD)))
            return await pos.sale(BILL)

    sale = run(sell())
    assert (sale.result, sale.code) == (SaleResult.DECLINED, ResponseCode.MEDIUM_REQUIRED)
    assert before.effects == []


@pytest.mark.feature("K3-105")
def test_who_wants_no_receipt_gets_none(pos_counter, pos_chip):
    async def sell():
        async with pos_counter.till() as pos:
            return await pos.sale(BILL, prints=False)

    before = Before(pos_counter)
    sale = run(sell())
    assert (sale.result, sale.is_printed) == (SaleResult.PAID, False)
    assert before.effects == PAID and pos_counter.paper.lines == []


def test_cash_beside_the_card_gives_change(pos_counter, pos_chip):
    bill = SaleBill(
        12_50,
        tenders=(Tender(kind=TenderKind.CARD, amount_minor=10_00), Tender(kind=TenderKind.CASH, amount_minor=5_00)),
    )
    before = Before(pos_counter)
    sale = run(sell_next(pos_counter, bill))

    assert (sale.result, sale.reply.change_minor) == (SaleResult.PAID, 2_50)
    assert before.effects == [Effect(DEBIT, 0, 10_00)]
    assert any(line.split() == ["Change", "2.50"] for line in pos_counter.paper.lines)


@pytest.mark.feature("EF-053")
def test_a_day_at_the_till_from_the_first_swipe_to_totals_that_match(pos_counter, pos_shop):
    pos_counter.with_chips = False
    pos_counter.credentials = DAY_TILL
    large = SaleBill(PIN_ABOVE_MINOR + 1)
    before = Before(pos_counter, DAY_CARD)
    pos_counter.put_stripe(pos_shop.track_2(DAY_CARD, 1))

    async def trade():
        async with pos_counter.till(HASTY) as pos:
            clerk, line = pos_counter.clerk, pos_counter.line

            async def swiped(bill):
                clerk.at(Notice.PRESENT_CARD, pos_counter.show_swipe(pos_counter.stripe_now()))
                return await pos.sale(bill)

            clerk.pins = [PIN]
            sales = [await swiped(large)]
            clerk.at(Notice.PAYING, lambda: setattr(line, "at_reply", line.take_down))
            sales.append(await swiped(BILL))
            line.is_down = False
            sales.append(await swiped(BILL))
            return sales, await pos.client.close_day()

    (paid, lost, again), report = run(trade())

    assert [paid.result, lost.result, again.result] == [SaleResult.PAID, SaleResult.UNKNOWN, SaleResult.PAID]
    assert before.effects == [Effect(DEBIT, 0, large.amount_minor), *PAID, Effect(REVERSAL, 0, 12_50), *PAID]
    assert paid.reply.points_hundredths > 0 and receipts(pos_counter) == 2
    assert report.is_closed


@pytest.mark.feature("HD-148")
def test_the_slip_shows_the_points_of_the_sale_and_the_new_total(pos_counter, pos_chip):
    async def trade():
        async with pos_counter.till() as pos:
            return [await pos.sale(BILL), await pos.sale(BILL)]

    sales = run(trade())
    lines = [line.split() for line in pos_counter.paper.lines]
    earned = [line[-1] for line in lines if line[:2] == ["Points", "earned"]]
    totals = [line[-1] for line in lines if line[:2] == ["Points", "balance"]]
    assert earned == ["12.00", "12.00"]  # whole points of 12.50
    shown = [f"{sale.reply.points_balance_hundredths / 100:,.2f}" for sale in sales]
    assert totals == shown
    first, second = (sale.reply.points_balance_hundredths for sale in sales)
    assert second - first == 12_00


@pytest.mark.feature("GJ-060")
def test_a_card_sale_takes_three_inputs_and_the_ledger_totals_are_the_tills(pos_counter, pos_shop):
    pos_counter.with_chips, pos_counter.has_encoder = False, False
    pos_counter.credentials = SWIPED_TILL
    before = Before(pos_counter, SWIPED_CARD)
    inputs = []

    async def trade():
        async with pos_counter.till() as pos:
            clerk = pos_counter.clerk
            agree, swipe = clerk.agree, pos_counter.show_swipe(pos_shop.track_2(SWIPED_CARD, 1))

            async def agreed(due_minor, quote):
                inputs.append("confirm")
                return await agree(due_minor, quote)

            def swiped():
                inputs.append("card")
                swipe()

            clerk.agree = agreed
            for amount_minor in (12_50, 8_00):
                inputs.append("amount")
                clerk.at(Notice.PRESENT_CARD, swiped)
                assert (await pos.sale(SaleBill(amount_minor))).result is SaleResult.PAID
            return await pos.client.close_day()

    report = run(trade())
    assert inputs == ["amount", "card", "confirm"] * 2  # and no PIN: none is asked for below its bound
    assert [effect.amount_minor for effect in before.effects] == [12_50, 8_00]
    debits = next(total for total in report.totals if total.type == DEBIT)
    assert report.is_closed and debits.amount_minor >= 20_50


def test_void_and_refund_give_back(pos_counter, pos_chip):
    async def trade():
        async with pos_counter.till() as pos:
            one, two = await pos.sale(BILL), await pos.sale(BILL)
            voided = [await pos.void(one.number), await pos.void(one.number)]
            refunded = await pos.refund(two.number, 2_50)
            copied = await pos.print_copy(two.number)
            return voided, refunded, copied

    before = Before(pos_counter)
    voided, refunded, copied = run(trade())

    assert [sale.result for sale in voided] == [SaleResult.UNDONE] * 2 and refunded.approved and copied
    given_back = [Effect(REVERSAL, 0, 12_50), Effect(REFUND, 0, 2_50)]
    assert before.effects == PAID + PAID + given_back
    assert "* COPY No. 1 *" in pos_counter.paper.text and receipts(pos_counter) == 3


# --------------------------------------------------------------------------- copies of cards


def test_a_copy_of_a_chip_is_caught_and_the_card_stopped(chip_world, pos_counter, pos_shop, pos_switch, pos_chip):
    pos_chip.pull_out()
    copy_path = pos_chip.path.with_name("copy.card")
    shutil.copy(pos_chip.path, copy_path)
    with CardProcess(copy_path, CONTACTLESS):
        first = run(sell_next(pos_counter))  # the copy pays first: nobody can tell yet
    pos_chip.insert()
    before = Before(pos_counter)
    second = run(sell_next(pos_counter))

    assert first.result is SaleResult.PAID
    assert (second.result, second.code) == (SaleResult.DECLINED, ResponseCode.CLONE)
    assert before.effects == [] and "冻结" in second.words.chinese and "frozen" in second.words.english

    async def look():
        async with operator_of(pos_switch) as operator:
            card = await operator.record(RecordKind.CARD, CARD)
            return card, [alarm async for alarm in operator.records(RecordKind.ALARM)]

    card, alarms = run(look())
    assert card.status == CardStatus.FROZEN
    (alarm,) = alarms
    assert (alarm.card_number, alarm.first_terminal_id, alarm.second_terminal_id) == (CARD, 7, 7)
    assert alarm.first_ms < alarm.second_ms and alarm.first_counter == alarm.second_counter

    third = run(sell_next(pos_counter))
    assert (third.result, third.code) == (SaleResult.DECLINED, ResponseCode.CARD_STATUS)


# --------------------------------------------------------------------------- the command


def test_the_till_in_a_shell_sells_copies_voids_and_refunds(pos_counter, pos_switch, pos_shop, tmp_path):
    pos_counter.with_chips = pos_counter.has_encoder = False
    write_workstation(tmp_path / "till.toml", pos_counter.workstation())
    write_credentials(tmp_path / "till.key", SHELL_TILL)
    bill = {"lines": [{"name": "Tea", "amount": "10.00", "quantity": "2"}, {"name": "Milk", "amount": "2.50"}]}
    (tmp_path / "bill.json").write_text(json.dumps(bill))
    before = Before(pos_counter, SHELL_CARD)

    def pos(command, *words, status=0):
        where = ["--key-file", tmp_path / "till.key", "--folder", tmp_path / "shell", "--language", "en", "--json"]
        host, port = pos_switch.address
        done = run_cardswitch(
            *("device", "pos", command, tmp_path / "till.toml", *words, *where, "--connect", f"{host}:{port}")
        )
        assert done.returncode == status, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    track_2 = pos_shop.track_2(SHELL_CARD, 1)
    is_sold = threading.Event()

    def swipe_until_it_is_read():  # when the till listens; a swipe while it is still setting its port up is lost
        while not is_sold.is_set():
            pos_counter.swipe.emit(track_2 + check_character(track_2))
            is_sold.wait(SWIPE_AGAIN_S)

    swiper = threading.Thread(target=swipe_until_it_is_read)
    swiper.start()
    *notices, sale = pos("sell", tmp_path / "bill.json")
    is_sold.set()
    swiper.join()
    assert [row["notice"] for row in notices] == ["present_card", "quoted", "paying", "decided", "printing", "done"]
    assert (sale["result"], sale["sale"], sale["printed"]) == ("paid", 1, True)

    *_, refused = pos("sell", tmp_path / "bill.json", "--card", SHELL_CARD, status=1)
    assert (refused["result"], refused["code"]) == ("declined", ResponseCode.MEDIUM_REQUIRED)
    pos("copy", 1)
    assert pos("refund", 1, "2.50")[0]["result"] == "approved"
    assert pos("void", 1, status=1)[0]["result"] == "declined"  # a part of it went back already
    assert pos("recover") == []
    assert before.effects == [*PAID, Effect(REFUND, 0, 2_50)]
    assert receipts(pos_counter) == 2 and "COPY" in pos_counter.paper.text
