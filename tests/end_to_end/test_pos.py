"""A till sells: cards of every kind through real readers to a running switch and back, and every fault on the way.

pcscd, its virtual reader and the training card are the real programs; printer, encoder, stripe reader and scanner are
virtual devices behind pseudo-terminals.
"""

import asyncio
import shutil

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    BillLine,
    CardStatus,
    MediumKind,
    MessageType,
    PolicyFlag,
    Tender,
    TenderKind,
)
from switch.protocol.receipt_code import parse_receipt_code
from switch.protocol.records import RecordKind
from terminals.chip.personalise import Proof, make_card
from terminals.chip.reader import ChipReader
from terminals.client import Client
from terminals.credentials import read_credentials
from terminals.pos_bill import SaleBill
from terminals.pos_cashier import SaleResult
from terminals.pos_words import Notice
from terminals.sale_journal import SaleStep
from terminals.stripe_card import Written
from terminals.trace import MemoryTrace
from terminals.virtual_serial import Fault
from terminals.workstation import write_workstation
from tests.support.desk import OPENING_MINOR
from tests.support.media_shop import CARD, CHIP_SERVICE, CHIP_UID, CODE_TOKEN, MediaDesk, make_media_shop
from tests.support.pcsc import CONTACT, CONTACTLESS, CardProcess
from tests.support.pos_process import kill_at
from tests.support.switch_process import SwitchProcess
from tests.support.till_counter import HASTY, Effect, PlugPulled, counter

TAP_CARD, STRIPE_CARD, PLAIN_CARD = 6221_2600_1234_5682, 6221_2600_1234_5690, 6221_2600_1234_5708
TAP_UID = "04782E21801D81"
CHAIN = bytes.fromhex("DEADBEEF")
PIN_ABOVE_MINOR = 50_000
FALLBACK_MAX_MINOR = 10_000
PIN = b"246810"
BILL = SaleBill(
    12_50,
    (BillLine(item=6901028075022, amount_minor=10_00, quantity_milli=2_000), BillLine(item=42, amount_minor=2_50)),
    ("农夫山泉", "Milk"),
)
DEBIT, REVERSAL, REFUND = MessageType.DEBIT, MessageType.REVERSAL, MessageType.REFUND
PAID = [Effect(DEBIT, 0, 12_50)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Four cards, three of them with media that only count with their proof."""
    shop = make_media_shop(tmp_path_factory.mktemp("pos") / "data", chip_versions=2)
    desk = MediaDesk(shop.data)
    desk.put_policy(
        flags=PolicyFlag.REQUIRED,
        chip_pin_minor=PIN_ABOVE_MINOR,
        code_pin_minor=PIN_ABOVE_MINOR,
        stripe_pin_minor=PIN_ABOVE_MINOR,
        fallback_minor_max=FALLBACK_MAX_MINOR,
    )
    for card in (CARD, TAP_CARD, STRIPE_CARD, PLAIN_CARD):
        desk.open_card(card)
        assert desk.credit(OPENING_MINOR, card=card).code == 0
    chain = int.from_bytes(CHAIN, "big")
    desk.enrol(MediumKind.CHIP, int(CHIP_UID, 16), CARD, key_version_held=2, chain=chain)
    desk.enrol(MediumKind.CHIP, int(TAP_UID, 16), TAP_CARD, chain=chain)
    desk.enrol(MediumKind.CODE, CODE_TOKEN, CARD)
    for card in (CARD, STRIPE_CARD):
        desk.enrol(MediumKind.STRIPE, card, card, counter=1)
    desk.commit()
    return shop


@pytest.fixture(scope="module")
def switch(chip_world, shop):
    with SwitchProcess(shop.data) as switch:
        asyncio.run(_set_pin(switch))
        yield switch


def operator_of(switch):
    host, port = switch.address
    return Client(host, port, read_credentials(switch.data / "operator.key"), MemoryTrace("a test"))


async def _set_pin(switch):
    async with operator_of(switch) as operator:
        assert (await operator.reset_pin(CARD, PIN, 7)).approved


@pytest.fixture(scope="module")
def chip(chip_world, shop):
    """The card in the slot, made with two key versions; it goes over to the second with its first payment."""
    with chip_world.card("slot", CONTACT, uid=CHIP_UID) as card:
        _make(CONTACT, shop, CARD, later_keys=[shop.issuer_key(2)])
        yield card


@pytest.fixture
def counter_(shop, switch, tmp_path):
    with counter(shop, switch, tmp_path) as made:
        yield made


def _make(reader_name, shop, number, **options):
    with ChipReader(reader_name) as reader:
        reader.wait_for_card(30_000)
        make_card(reader, shop.issuer_key(1), number, CHAIN, Proof(bytes(8), 1_795_000_000), **options)


class Before:
    """What there was before a sale."""

    def __init__(self, counter_, card=CARD):
        self._counter, self._card = counter_, card
        self._count = len(counter_.effects(card))

    @property
    def effects(self):
        return self._counter.effects(self._card)[self._count :]


def receipts(counter_):
    """How many receipts came out whole: each ends in a cut."""
    return sum("cut" in line for line in counter_.paper.lines)


def run(coroutine):
    return asyncio.run(coroutine)


async def sell_next(counter_, bill=BILL):
    """Another sale with the same card, to see that the card is in step."""
    async with counter_.till() as pos:
        return await pos.sale(bill)


# --------------------------------------------------------------------------- honest sales


@pytest.mark.feature("K3-099")
@pytest.mark.feature("EF-053")
def test_a_chip_pays_and_takes_the_answer(counter_, chip):
    before, was = Before(counter_), chip.memory

    async def sell():
        async with counter_.till() as pos:
            return await pos.sale(BILL)

    sale = run(sell())

    assert (sale.result, sale.code, sale.written, sale.is_printed) == (SaleResult.PAID, 0, Written.NEW, True)
    assert before.effects == PAID
    after = chip.memory
    assert after.counter == was.counter + 1 and after.chain != was.chain and after.log[-1].answered
    assert after.log[-1].terminal == b"00000007".hex()
    text = counter_.paper.text
    assert "6221260000000000"[:6] + "******5674" in text and str(CARD) not in text
    assert f"{sale.reply.journal_sequence}" in text and "12.50" in text and "Milk" in text
    code = next(line for line in counter_.paper.lines if line.startswith("Receipt code")).split()[-1]
    assert parse_receipt_code(code) == sale.reply.receipt_code != 0


def test_a_chip_goes_over_to_the_next_key_and_pays_with_it(counter_, chip):
    run(sell_next(counter_))
    assert (chip.memory.key_version, chip.memory.held_keys) == (2, ())

    before = Before(counter_)
    assert run(sell_next(counter_)).result is SaleResult.PAID
    assert before.effects == PAID


def test_a_chip_in_the_field_pays_without_contact(chip_world, counter_, shop, chip):
    chip.pull_out()
    try:
        with chip_world.card("field", CONTACTLESS, uid=TAP_UID) as card:
            _make(CONTACTLESS, shop, TAP_CARD)
            before = Before(counter_, TAP_CARD)
            sale = run(sell_next(counter_))
            assert (sale.result, sale.written) == (SaleResult.PAID, Written.NEW)
            assert before.effects == PAID and card.memory.log[-1].answered
    finally:
        chip.insert()


def test_a_large_amount_asks_for_the_pin_and_for_the_chip_once_more(counter_, chip):
    before, was = Before(counter_), chip.memory.counter

    async def sell():
        async with counter_.till() as pos:
            counter_.clerk.pins = [b"9999", PIN]
            return await pos.sale(SaleBill(PIN_ABOVE_MINOR + 1))

    sale = run(sell())

    assert sale.result is SaleResult.PAID
    assert before.effects == [Effect(DEBIT, 0, PIN_ABOVE_MINOR + 1)]
    assert chip.memory.counter == was + 3  # without, with a wrong one, with the right one


def test_a_customer_without_pin_pays_nothing(counter_, chip):
    before = Before(counter_)
    sale = run(sell_next(counter_, SaleBill(PIN_ABOVE_MINOR + 1)))

    assert (sale.result, sale.code) == (SaleResult.DECLINED, ResponseCode.REFER)
    assert before.effects == [] and receipts(counter_) == 0
    assert run(sell_next(counter_)).result is SaleResult.PAID


def test_a_dynamic_code_pays_once(counter_):
    counter_.with_chips = False
    before = Before(counter_)

    async def sell(*refreshes):
        async with counter_.till(card_wait_ms=5_000) as pos:
            counter_.clerk.at(Notice.PRESENT_CARD, *(counter_.show_code(number, CODE_TOKEN) for number in refreshes))
            return await pos.sale(BILL), counter_.clerk.notices

    sale, _ = run(sell(1))
    assert sale.result is SaleResult.PAID
    assert before.effects == PAID

    sale, notices = run(sell(1, 2))  # shown again, refused, then a fresh one
    assert sale.result is SaleResult.PAID and notices.count(Notice.PRESENT_CARD) == 2
    assert before.effects == PAID + PAID


def test_a_stripe_pays_and_is_rewritten(counter_, shop):
    counter_.with_chips = False
    before = Before(counter_, STRIPE_CARD)
    first = shop.track_2(STRIPE_CARD, 1)
    counter_.put_stripe(first)

    async def sell():
        async with counter_.till() as pos:
            counter_.clerk.at(Notice.PRESENT_CARD, counter_.show_swipe(counter_.stripe_now()))
            return await pos.sale(BILL)

    sale = run(sell())
    assert (sale.result, sale.written) == (SaleResult.PAID, Written.NEW)
    assert counter_.stripe_now() == shop.track_2(STRIPE_CARD, 2)

    counter_.encoder.fault = Fault.WRITE_LOST  # today's rewriting is done: no other is asked for
    sale = run(sell())
    assert (sale.result, sale.written) == (SaleResult.PAID, None)
    assert before.effects == PAID + PAID


def test_a_number_alone_does_not_pay(counter_):
    counter_.with_chips = False
    before = Before(counter_, PLAIN_CARD)

    async def sell():
        async with counter_.till() as pos:
            counter_.clerk.at(Notice.PRESENT_CARD, lambda: pos.card_input.type_number(str(PLAIN_CARD)))
            return await pos.sale(BILL)

    sale = run(sell())
    assert (sale.result, sale.code) == (SaleResult.DECLINED, ResponseCode.MEDIUM_REQUIRED)
    assert before.effects == []


@pytest.mark.feature("K3-105")
def test_who_wants_no_receipt_gets_none(counter_, chip):
    async def sell():
        async with counter_.till() as pos:
            return await pos.sale(BILL, prints=False)

    before = Before(counter_)
    sale = run(sell())
    assert (sale.result, sale.is_printed) == (SaleResult.PAID, False)
    assert before.effects == PAID and counter_.paper.lines == []


@pytest.mark.feature("K3-102")
def test_cash_beside_the_card_gives_change(counter_, chip):
    bill = SaleBill(
        12_50,
        tenders=(Tender(kind=TenderKind.CARD, amount_minor=10_00), Tender(kind=TenderKind.CASH, amount_minor=5_00)),
    )
    before = Before(counter_)
    sale = run(sell_next(counter_, bill))

    assert (sale.result, sale.reply.change_minor) == (SaleResult.PAID, 2_50)
    assert before.effects == [Effect(DEBIT, 0, 10_00)]
    assert any(line.split() == ["Change", "2.50"] for line in counter_.paper.lines)


def test_void_and_refund_give_back(counter_, chip):
    async def trade():
        async with counter_.till() as pos:
            one, two = await pos.sale(BILL), await pos.sale(BILL)
            voided = [await pos.void(one.number), await pos.void(one.number)]
            refunded = await pos.refund(two.number, 2_50)
            copied = await pos.print_copy(two.number)
            return voided, refunded, copied

    before = Before(counter_)
    voided, refunded, copied = run(trade())

    assert [sale.result for sale in voided] == [SaleResult.UNDONE] * 2 and refunded.approved and copied
    given_back = [Effect(REVERSAL, 0, 12_50), Effect(REFUND, 0, 2_50)]
    assert before.effects == PAID + PAID + given_back
    assert "* COPY No. 1 *" in counter_.paper.text and receipts(counter_) == 3


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
def test_a_chip_that_is_pulled_or_talks_nonsense_pays_once(counter_, chip, fault, used, written):
    before, was = Before(counter_), chip.memory.counter
    chip.fault(fault)

    sale = run(sell_next(counter_))

    assert (sale.result, sale.written) == (SaleResult.PAID, written)
    assert chip.memory.counter == was + used
    assert run(sell_next(counter_)).result is SaleResult.PAID  # in step: one chain value behind is good
    assert before.effects == PAID + PAID and receipts(counter_) == 2


def test_a_chip_that_is_mute_costs_a_time_out_and_no_money(counter_, chip):
    before = Before(counter_)
    chip.fault("mute:GENERATE_AC,6500")

    assert run(sell_next(counter_)).result is SaleResult.PAID
    assert before.effects == PAID and receipts(counter_) == 1


def test_after_a_chip_failed_twice_its_stripe_pays_a_little(counter_, shop, chip):
    track_2 = shop.track_2(CARD, 1, service=CHIP_SERVICE)

    async def sell(bill):
        async with counter_.till() as pos:
            chip.fault("garbage:SELECT garbage:SELECT")
            counter_.put_stripe(counter_.stripe_now() if counter_.stripe.exists() else track_2)
            counter_.clerk.at(Notice.SWIPE_INSTEAD, counter_.show_swipe(counter_.stripe_now()))
            return await pos.sale(bill), counter_.clerk.notices

    before = Before(counter_)
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


# --------------------------------------------------------------------------- faults of the line and the switch


def test_a_link_that_is_lost_before_or_after_the_decision_changes_nothing(counter_, chip):
    for hook in ("at_request", "at_reply"):
        before = Before(counter_)

        async def sell(hook=hook):
            async with counter_.till() as pos:
                counter_.clerk.at(Notice.PAYING, lambda: setattr(counter_.line, hook, counter_.line.cut))
                return await pos.sale(BILL)

        sale = run(sell())
        assert (sale.result, sale.is_printed) == (SaleResult.PAID, True)
        assert before.effects == PAID
    assert receipts(counter_) == 2


@pytest.mark.parametrize(("hook", "undone"), [("at_request", []), ("at_reply", [Effect(REVERSAL, 0, 12_50)])])
def test_a_switch_that_stays_away_leaves_a_sale_that_is_undone_later(counter_, chip, hook, undone):
    before = Before(counter_)

    async def sell():
        async with counter_.till(HASTY) as pos:
            counter_.clerk.at(Notice.PAYING, lambda: setattr(counter_.line, hook, counter_.line.take_down))
            first = await pos.sale(BILL)
            second = await pos.sale(BILL)  # nothing is sold while the first is open
            return first, second

    first, second = run(sell())
    assert (first.result, second.result) == (SaleResult.UNKNOWN, SaleResult.OFFLINE)

    assert run(sell_next(counter_)).result is SaleResult.PAID  # the line is back: the first is undone, then this one
    assert before.effects == (PAID if undone else []) + undone + PAID
    assert receipts(counter_) == 1


@pytest.mark.parametrize("hook", ["at_request", "at_reply"])
def test_a_switch_that_is_killed_in_the_middle_of_a_sale_and_comes_back(counter_, switch, chip, hook):
    before = Before(counter_)

    async def sell():
        loop = asyncio.get_running_loop()

        def kill():
            switch.kill()
            loop.run_in_executor(None, switch.start)
            return counter_.line.cut()

        async with counter_.till() as pos:
            counter_.clerk.at(Notice.PAYING, lambda: setattr(counter_.line, hook, kill))
            return await pos.sale(BILL)

    sale = run(sell())

    assert sale.result is SaleResult.PAID  # the chip is asked once more when the challenge is a dead session's
    assert before.effects == PAID and receipts(counter_) == 1
    assert run(sell_next(counter_)).result is SaleResult.PAID


# --------------------------------------------------------------------------- faults of the printer


def test_a_receipt_waits_for_paper_and_says_when_it_is_a_copy(counter_, chip):
    before = Before(counter_)

    async def sell():
        async with counter_.till() as pos:
            counter_.paper.lines_left = 0
            sale = await pos.sale(BILL)
            counter_.printer.load_paper()
            await pos.recover()
            counter_.paper.lines_left = 8
            counter_.clerk.at(Notice.PRINTER_STOPPED, counter_.printer.load_paper)
            counter_.clerk.reprints = 1
            return sale, await pos.sale(BILL)

    without, stopped = run(sell())
    assert (without.result, without.is_printed) == (SaleResult.PAID, False)
    assert (stopped.result, stopped.is_printed) == (SaleResult.PAID, True)
    text = counter_.paper.text
    assert before.effects == PAID + PAID
    # The first was not begun, so what came out later is no copy; of the second there was a piece.
    assert text.count(f"{without.reply.journal_sequence}") >= 1 and text.count("* COPY No. 1 *") == 1


def test_a_printer_that_is_unplugged_owes_the_receipt_to_the_next_start(counter_, chip):
    before = Before(counter_)
    counter_.printer.port.unplug()

    sale = run(sell_next(counter_))
    assert (sale.result, sale.is_printed) == (SaleResult.PAID, False)
    counter_.printer.port.plug()

    async def start():
        async with counter_.till() as pos:
            return await pos.recover()

    (owed,) = run(start())
    assert (owed.result, owed.is_printed) == (SaleResult.PAID, True)
    assert before.effects == PAID and receipts(counter_) == 1 and "COPY" not in counter_.paper.text


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
    counter_, chip, tmp_path, notice, effects, printed, is_copy
):
    before = Before(counter_)
    write_workstation(tmp_path / "till.toml", counter_.workstation())

    async def start():
        async with counter_.till() as pos:
            await pos.recover()
            assert pos.journal.open_sales() == []

    kill_at(notice, *counter_.switch.address, tmp_path / "till.toml", tmp_path, counter_.first_number)
    run(start())

    assert before.effects == effects
    assert receipts(counter_) == printed and ("COPY" in counter_.paper.text) == is_copy
    assert run(sell_next(counter_)).result is SaleResult.PAID


@pytest.mark.parametrize("hook", ["at_request", "at_reply"])
def test_a_till_that_dies_while_the_switch_decides_has_sold_nothing(counter_, chip, hook):
    before = Before(counter_)

    async def die():
        async with counter_.till() as pos:
            came = asyncio.Event()

            def swallow():
                came.set()
                return False

            counter_.clerk.at(Notice.PAYING, lambda: setattr(counter_.line, hook, swallow))
            selling = asyncio.create_task(pos.sale(BILL))
            await came.wait()
            selling.cancel()
            raise PlugPulled

    run(die())
    assert run(sell_next(counter_)).result is SaleResult.PAID

    lost = [*PAID, Effect(REVERSAL, 0, 12_50)] if hook == "at_reply" else []
    assert before.effects == lost + PAID and receipts(counter_) == 1


def test_a_till_that_dies_between_trace_and_sale_journal_gives_the_money_back(counter_, chip, monkeypatch):
    before = Before(counter_)

    async def die():
        async with counter_.till() as pos:
            put = pos.journal.put

            def put_or_die(sale):
                if sale.step is SaleStep.DECIDED:
                    raise PlugPulled
                return put(sale)

            monkeypatch.setattr(pos.journal, "put", put_or_die)
            await pos.sale(BILL)

    run(die())
    assert run(sell_next(counter_)).result is SaleResult.PAID
    assert before.effects == [*PAID, Effect(REVERSAL, 0, 12_50), *PAID] and receipts(counter_) == 1


# --------------------------------------------------------------------------- copies of cards


def test_a_copy_of_a_chip_is_caught_and_the_card_stopped(chip_world, counter_, shop, switch, chip):
    chip.pull_out()
    copy_path = chip.path.with_name("copy.card")
    shutil.copy(chip.path, copy_path)
    with CardProcess(copy_path, CONTACTLESS):
        first = run(sell_next(counter_))  # the copy pays first: nobody can tell yet
    chip.insert()
    before = Before(counter_)
    second = run(sell_next(counter_))

    assert first.result is SaleResult.PAID
    assert (second.result, second.code) == (SaleResult.DECLINED, ResponseCode.CLONE)
    assert before.effects == [] and "冻结" in second.words.chinese and "frozen" in second.words.english

    async def look():
        async with operator_of(switch) as operator:
            card = await operator.record(RecordKind.CARD, CARD)
            return card, [alarm async for alarm in operator.records(RecordKind.ALARM)]

    card, alarms = run(look())
    assert card.status == CardStatus.FROZEN
    (alarm,) = alarms
    assert (alarm.card_number, alarm.first_terminal_id, alarm.second_terminal_id) == (CARD, 7, 7)
    assert alarm.first_ms < alarm.second_ms and alarm.first_counter == alarm.second_counter

    third = run(sell_next(counter_))
    assert (third.result, third.code) == (SaleResult.DECLINED, ResponseCode.CARD_STATUS)
