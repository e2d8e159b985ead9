"""Every fault between a card and its receipt has one effect or none: card, line, switch, printer, the till itself."""

import asyncio

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    MediumKind,
)
from terminals.pos_bill import SaleBill
from terminals.pos_cashier import SaleResult
from terminals.pos_words import Notice
from terminals.sale_journal import SaleStep
from terminals.stripe_card import Written
from terminals.virtual_serial import Fault
from terminals.workstation import Device, write_workstation
from tests.support.desk import OPENING_MINOR
from tests.support.media_shop import CARD, CHIP_SERVICE, MediaDesk, make_media_shop
from tests.support.pos_process import kill_at
from tests.support.pos_world import (
    BILL,
    FALLBACK_MAX_MINOR,
    PAID,
    REVERSAL,
    STRIPE_CARD,
    Before,
    receipts,
    run,
    sell_next,
)
from tests.support.switch_process import SwitchProcess
from tests.support.till_counter import HASTY, Effect, PlugPulled, counter

# --------------------------------------------------------------------------- faults of cards

# What the card does wrong: (fault, counters that the card uses up, what it holds of the answer).
CHIP_FAULTS = [
    ("pull-before:SELECT", 1, Written.NEW),
    ("pull-before:READ_NUMBER", 1, Written.NEW),
    ("garbage:READ_NUMBER", 1, Written.NEW),
    ("pull-before:GENERATE_AC", 1, Written.NEW),
    ("cut-between:counter,mac", 2, Written.NEW),
    ("pull-after:GENERATE_AC", 2, Written.NEW),
    ("garbage:GENERATE_AC", 2, Written.NEW),
    ("pull-before:ISSUER_ANSWER", 1, Written.UNKNOWN),
    ("cut-between:check,chain", 1, Written.UNKNOWN),
    ("pull-after:ISSUER_ANSWER", 1, Written.UNKNOWN),
]


@pytest.mark.parametrize(("fault", "used", "written"), CHIP_FAULTS)
def test_a_chip_that_is_pulled_or_talks_nonsense_pays_once(pos_counter, pos_chip, fault, used, written):
    before, was = Before(pos_counter), pos_chip.memory.counter
    pos_chip.fault(fault)

    sale = run(sell_next(pos_counter))

    assert (sale.result, sale.written) == (SaleResult.PAID, written)
    assert pos_chip.memory.counter == was + used
    assert run(sell_next(pos_counter)).result is SaleResult.PAID  # in step: one chain value behind is good
    assert before.effects == PAID + PAID and receipts(pos_counter) == 2


def test_a_chip_that_is_mute_costs_a_time_out_and_no_money(pos_counter, pos_chip):
    before = Before(pos_counter)
    pos_chip.fault("mute:GENERATE_AC,6500")

    assert run(sell_next(pos_counter)).result is SaleResult.PAID
    assert before.effects == PAID and receipts(pos_counter) == 1


def test_after_a_chip_failed_twice_its_stripe_pays_a_little(pos_counter, pos_shop, pos_chip):
    track_2 = pos_shop.track_2(CARD, 1, service=CHIP_SERVICE)

    async def sell(bill):
        async with pos_counter.till() as pos:
            pos_chip.fault("garbage:SELECT garbage:SELECT")
            pos_counter.put_stripe(pos_counter.stripe_now() if pos_counter.stripe.exists() else track_2)
            pos_counter.clerk.at(Notice.SWIPE_INSTEAD, pos_counter.show_swipe(pos_counter.stripe_now()))
            return await pos.sale(bill), pos_counter.clerk.notices

    before = Before(pos_counter)
    sale, notices = run(sell(BILL))
    assert sale.result is SaleResult.PAID and Notice.CHIP_FAILED in notices
    sale, _ = run(sell(SaleBill(FALLBACK_MAX_MINOR + 1)))
    assert (sale.result, sale.code) == (SaleResult.DECLINED, ResponseCode.FALLBACK_FORBIDDEN)
    assert before.effects == PAID


@pytest.mark.parametrize(
    ("fault", "written"),
    [(Fault.WRITE_CUT, Written.UNKNOWN), (Fault.WRITE_LOST, Written.OLD), (Fault.SILENT, Written.OLD)],
)
def test_a_stripe_whose_rewriting_fails_stays_good(tmp_path, chip_world, fault, written):
    shop = make_media_shop(tmp_path / "data")
    desk = MediaDesk(shop.data)
    desk.open_card(STRIPE_CARD)
    assert desk.credit(OPENING_MINOR, card=STRIPE_CARD).code == 0
    desk.enrol(MediumKind.STRIPE, STRIPE_CARD, STRIPE_CARD, counter=1)
    desk.commit()
    with SwitchProcess(shop.data) as switch, counter(shop, switch, tmp_path) as made:
        made.with_chips = False
        track_2 = shop.track_2(STRIPE_CARD, 1)

        async def sell(track):
            made.put_stripe(track)
            async with made.till() as pos:
                made.clerk.at(Notice.PRESENT_CARD, made.show_swipe(track))
                return await pos.sale(BILL)

        if fault is Fault.SILENT:
            made.has_encoder = False
        else:
            made.encoder.fault = fault
        sale = run(sell(track_2))
        assert sale.result is SaleResult.PAID
        assert sale.written is (None if fault is Fault.SILENT else written)
        made.has_encoder = True
        sale = run(sell(track_2))  # a clerk put it right, or it was never written: the old one still pays
        assert (sale.result, sale.written) == (SaleResult.PAID, Written.NEW)
        assert made.stripe_now() == shop.track_2(STRIPE_CARD, 2)
        assert made.effects(STRIPE_CARD) == PAID + PAID
        copied = run(sell(track_2))  # the new one was confirmed: whoever shows the old one now has a copy
        assert (copied.result, copied.code) == (SaleResult.DECLINED, ResponseCode.CLONE)


# --------------------------------------------------------------------------- faults of the line and the switch


def test_a_link_that_is_lost_before_or_after_the_decision_changes_nothing(pos_counter, pos_chip):
    for hook in ("at_request", "at_reply"):
        before = Before(pos_counter)

        async def sell(hook=hook):
            async with pos_counter.till() as pos:
                pos_counter.clerk.at(Notice.PAYING, lambda: setattr(pos_counter.line, hook, pos_counter.line.cut))
                return await pos.sale(BILL)

        sale = run(sell())
        assert (sale.result, sale.is_printed) == (SaleResult.PAID, True)
        assert before.effects == PAID
    assert receipts(pos_counter) == 2


@pytest.mark.parametrize(("hook", "undone"), [("at_request", []), ("at_reply", [Effect(REVERSAL, 0, 12_50)])])
def test_a_switch_that_stays_away_leaves_a_sale_that_is_undone_later(pos_counter, pos_chip, hook, undone):
    before = Before(pos_counter)

    async def sell():
        async with pos_counter.till(HASTY) as pos:
            pos_counter.clerk.at(Notice.PAYING, lambda: setattr(pos_counter.line, hook, pos_counter.line.take_down))
            first = await pos.sale(BILL)
            second = await pos.sale(BILL)  # nothing is sold while the first is open
            return first, second

    first, second = run(sell())
    assert (first.result, second.result) == (SaleResult.UNKNOWN, SaleResult.OFFLINE)

    assert run(sell_next(pos_counter)).result is SaleResult.PAID  # the line is back: the first is undone, then this one
    assert before.effects == (PAID if undone else []) + undone + PAID
    assert receipts(pos_counter) == 1


@pytest.mark.parametrize("hook", ["at_request", "at_reply"])
def test_a_switch_that_is_killed_in_the_middle_of_a_sale_and_comes_back(pos_counter, pos_switch, pos_chip, hook):
    before = Before(pos_counter)

    async def sell():
        loop = asyncio.get_running_loop()

        def kill():
            pos_switch.kill()
            loop.run_in_executor(None, pos_switch.start)
            return pos_counter.line.cut()

        async with pos_counter.till() as pos:
            pos_counter.clerk.at(Notice.PAYING, lambda: setattr(pos_counter.line, hook, kill))
            return await pos.sale(BILL)

    sale = run(sell())

    assert sale.result is SaleResult.PAID  # the chip is asked once more when the challenge is a dead session's
    assert before.effects == PAID and receipts(pos_counter) == 1
    assert run(sell_next(pos_counter)).result is SaleResult.PAID


# --------------------------------------------------------------------------- faults of the printer


def test_a_receipt_waits_for_paper_and_says_when_it_is_a_copy(pos_counter, pos_chip):
    before = Before(pos_counter)

    async def sell():
        async with pos_counter.till() as pos:
            pos_counter.paper.lines_left = 0
            sale = await pos.sale(BILL)
            pos_counter.printer.load_paper()
            await pos.recover()
            pos_counter.paper.lines_left = 8
            pos_counter.clerk.at(Notice.PRINTER_STOPPED, pos_counter.printer.load_paper)
            pos_counter.clerk.reprints = 1
            return sale, await pos.sale(BILL)

    without, stopped = run(sell())
    assert (without.result, without.is_printed) == (SaleResult.PAID, False)
    assert (stopped.result, stopped.is_printed) == (SaleResult.PAID, True)
    text = pos_counter.paper.text
    assert before.effects == PAID + PAID
    # The first was not begun, so what came out later is no copy; of the second there was a piece.
    assert text.count(f"{without.reply.journal_sequence}") >= 1 and text.count("* COPY No. 1 *") == 1


def test_a_printer_that_is_unplugged_owes_the_receipt_to_the_next_start(pos_counter, pos_chip):
    before = Before(pos_counter)
    pos_counter.printer.port.unplug()

    sale = run(sell_next(pos_counter))
    assert (sale.result, sale.is_printed) == (SaleResult.PAID, False)
    pos_counter.printer.port.plug()

    async def start():
        async with pos_counter.till() as pos:
            return await pos.recover()

    (owed,) = run(start())
    assert (owed.result, owed.is_printed) == (SaleResult.PAID, True)
    assert before.effects == PAID and receipts(pos_counter) == 1 and "COPY" not in pos_counter.paper.text


# --------------------------------------------------------------------------- a till that loses its power

# Where the process is killed: (notice, money that moved in the end, receipts, whether the receipt is a copy).
KILLED_AT = [
    (Notice.PRESENT_CARD, [], 0, False),
    (Notice.READING, [], 0, False),
    (Notice.QUOTED, [], 0, False),
    (Notice.PAYING, [], 0, False),
    (Notice.DECIDED, PAID, 1, False),
    (Notice.WRITING, PAID, 1, False),
    (Notice.PRINTING, PAID, 1, True),
    (Notice.DONE, PAID, 1, False),
]


@pytest.mark.parametrize(("notice", "effects", "printed", "is_copy"), KILLED_AT)
def test_a_till_that_is_killed_at_any_step_has_sold_once_or_not_at_all(
    pos_counter, pos_chip, tmp_path, notice, effects, printed, is_copy
):
    before = Before(pos_counter)
    write_workstation(tmp_path / "till.toml", pos_counter.workstation())

    async def start():
        async with pos_counter.till() as pos:
            await pos.recover()
            assert pos.journal.open_sales() == []

    kill_at(notice, *pos_counter.switch.address, tmp_path / "till.toml", tmp_path, pos_counter.first_number)
    run(start())

    assert before.effects == effects
    assert receipts(pos_counter) == printed and ("COPY" in pos_counter.paper.text) == is_copy
    assert run(sell_next(pos_counter)).result is SaleResult.PAID


@pytest.mark.parametrize("hook", ["at_request", "at_reply"])
def test_a_till_that_dies_while_the_switch_decides_has_sold_nothing(pos_counter, pos_chip, hook):
    before = Before(pos_counter)

    async def die():
        async with pos_counter.till() as pos:
            came = asyncio.Event()

            def swallow():
                came.set()
                return False

            pos_counter.clerk.at(Notice.PAYING, lambda: setattr(pos_counter.line, hook, swallow))
            selling = asyncio.create_task(pos.sale(BILL))
            await came.wait()
            selling.cancel()
            raise PlugPulled

    run(die())
    assert run(sell_next(pos_counter)).result is SaleResult.PAID

    lost = [*PAID, Effect(REVERSAL, 0, 12_50)] if hook == "at_reply" else []
    assert before.effects == lost + PAID and receipts(pos_counter) == 1


def test_a_till_that_dies_between_trace_and_sale_journal_gives_the_money_back(pos_counter, pos_chip, monkeypatch):
    before = Before(pos_counter)

    async def die():
        async with pos_counter.till() as pos:
            put = pos.journal.put

            def put_or_die(sale):
                if sale.step is SaleStep.DECIDED:
                    raise PlugPulled
                return put(sale)

            monkeypatch.setattr(pos.journal, "put", put_or_die)
            await pos.sale(BILL)

    run(die())
    assert run(sell_next(pos_counter)).result is SaleResult.PAID
    assert before.effects == [*PAID, Effect(REVERSAL, 0, 12_50), *PAID] and receipts(pos_counter) == 1


def test_a_chip_reader_that_is_away_is_told_once_and_the_sale_ends_in_time(pos_counter, monkeypatch):
    pos_counter.with_chips = False
    station = pos_counter.workstation().with_device(Device("slot", "chip", "pcsc", "unplugged"))
    monkeypatch.setattr(pos_counter, "workstation", lambda: station)

    async def sell():
        async with pos_counter.till(card_wait_ms=3_500) as pos:  # the reader is looked for every second
            return await pos.sale(BILL), pos_counter.clerk.notices

    sale, notices = run(sell())
    assert (sale.result, notices.count(Notice.READER_AWAY)) == (SaleResult.CANCELLED, 1)
