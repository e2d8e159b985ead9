"""Chip cards through pcscd: a training card in a virtual reader, and what goes wrong with cards and readers."""

import asyncio
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest

from hsm.cards import AcData, CardPurpose, card_key, cryptogram_fits, issuer_answer
from terminals.chip.applet import READ_STATE, CardState, IssuerCommand
from terminals.chip.card import generate_cryptogram, give_issuer_answer, read_card_number, read_figures, select_applet
from terminals.chip.errors import (
    CardAnswerError,
    CardBlockedError,
    CardLostError,
    CardServiceError,
    CardStatusError,
    NoCardError,
    ReaderBusyError,
    ReaderNotFoundError,
    ReaderTimeoutError,
)
from terminals.chip.pcsc import list_readers
from terminals.chip.personalise import IssuerKey, Proof, clear_card, make_card
from terminals.chip.reader import ChipReader, wait_for_any_card
from terminals.chip.watch import CardEvent, CardEventKind, CardWatch
from tests.support.pcsc import CONTACT, CONTACTLESS
from tests.support.switch_process import run_cardswitch

MASTER_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
ISSUER = IssuerKey(1, MASTER_KEY, is_live=False)
NUMBER = 6221260012345674
WAIT_MS = 30_000
SHORT_MS = 1_000
"""For a time-out that is to happen; long enough for a card that answers on a busy machine."""
chains = (number.to_bytes(4, "big") for number in itertools.count(0xC0FFEE01))
numbers = (number.to_bytes(8, "big") for number in itertools.count(1))
PAYMENT_S = 1_795_000_000


def proof():
    return Proof(next(numbers), PAYMENT_S)


def payment(amount_minor=12_345):
    return AcData(next(numbers), amount_minor, 156, 0, PAYMENT_S, b"TERM0001")


def wait(reader):
    reader.wait_for_card(WAIT_MS)
    return select_applet(reader)


def pay(reader, command=IssuerCommand.NONE):
    """A whole payment as till and issuer do it: the issuer's check, its answer, the card's acceptance."""
    selected, data = wait(reader), payment()
    answer = generate_cryptogram(reader, data)
    key = card_key(MASTER_KEY, CardPurpose.AC, selected.key_version, selected.uid)
    assert cryptogram_fits(key, selected.uid, data.pack(), answer)
    chain = next(chains)
    give_issuer_answer(reader, issuer_answer(key, selected.uid, answer, chain, command))
    return answer, chain


@pytest.fixture(scope="module")
def card(chip_world):
    """A card in the slot for contact, made by the personaliser."""
    with chip_world.card("contact") as card:
        with ChipReader(CONTACT) as reader:
            wait(reader)
            make_card(reader, ISSUER, NUMBER, bytes.fromhex("DEADBEEF"), proof())
        yield card


@pytest.fixture
def reader(card):
    with ChipReader(CONTACT, exchange_timeout_ms=5_000) as reader:
        yield reader


def test_a_payment_moves_counter_and_chain(card, reader):
    before = card.memory

    answer, chain = pay(reader)

    after = card.memory
    assert (answer.atc, answer.chain.hex()) == (before.counter + 1, before.chain.lower())
    assert (after.counter, after.chain, after.log[-1].answered) == (answer.atc, chain.hex(), True)
    assert (after.log[-1].amount_minor, after.log[-1].terminal) == (12_345, b"TERM0001".hex())


def test_a_thousand_commands_pass(card, reader):
    wait(reader)
    before = card.memory.counter

    for _ in range(900):
        assert read_figures(reader).counter == before
    answers = [generate_cryptogram(reader, payment()) for _ in range(100)]

    assert [answer.atc for answer in answers] == list(range(before + 1, before + 101))
    assert card.memory.counter == before + 100


# What a chip holds after power went at each step: (fault, what the till sees, counter used up, chain taken).
AT_EACH_STEP = [
    ("pull-before:SELECT", CardLostError, 0, False),
    ("pull-after:SELECT", CardLostError, 0, False),
    ("pull-before:GENERATE_AC", CardLostError, 0, False),
    ("cut-before:counter", CardLostError, 0, False),
    ("cut-between:counter,mac", CardLostError, 1, False),
    ("cut-after:mac", CardLostError, 1, False),
    ("pull-after:GENERATE_AC", CardLostError, 1, False),
    ("pull-before:ISSUER_ANSWER", CardLostError, 1, False),
    ("cut-between:check,chain", CardLostError, 1, False),
    ("cut-before:chain", CardLostError, 1, False),
    ("cut-after:chain", CardLostError, 1, True),
    ("pull-after:ISSUER_ANSWER", CardLostError, 1, True),
    ("garbage:GENERATE_AC,1", CardLostError, 1, False),
    ("garbage:GENERATE_AC,22", (CardStatusError, CardAnswerError, CardLostError), 1, False),
    ("garbage:SELECT,256", (CardStatusError, CardAnswerError, CardLostError), 0, False),
]


@pytest.mark.parametrize(
    ("fault", "error", "counter_used", "is_taken"), AT_EACH_STEP, ids=[row[0] for row in AT_EACH_STEP]
)
def test_after_a_fault_at_any_step_the_card_holds_what_a_chip_would_and_the_next_payment_passes(
    card, reader, fault, error, counter_used, is_taken
):
    reader.wait_for_card(WAIT_MS)
    before = card.memory
    card.fault(fault)

    with pytest.raises(error):
        pay(reader)

    after = card.memory
    assert after.counter == before.counter + counter_used
    assert (after.chain != before.chain) == is_taken
    answer, _ = pay(reader)
    assert (answer.atc, answer.chain.hex()) == (after.counter + 1, after.chain.lower())


def test_a_slow_card_is_waited_for(card, reader):
    card.fault("slow:GENERATE_AC,300 slow:ISSUER_ANSWER,300")

    _, chain = pay(reader)

    assert card.memory.chain == chain.hex()


def test_a_card_that_never_answers_costs_a_time_out_and_nothing_else(card, chip_world):
    with (
        chip_world.card("beside", CONTACTLESS) as _,
        ChipReader(CONTACT, exchange_timeout_ms=SHORT_MS) as reader,
        ChipReader(CONTACTLESS) as beside,
    ):
        wait(reader)
        before = card.memory.counter
        card.fault("mute:GENERATE_AC,600000")

        with pytest.raises(ReaderTimeoutError, match="take the card out"):
            generate_cryptogram(reader, payment())

        assert wait(beside).key_version == 0  # another reader works all the while
        with pytest.raises(CardLostError):
            read_figures(reader)
        with pytest.raises(NoCardError, match="does not answer"):  # the mute card still lies there
            reader.wait_for_card(0)
        assert card.memory.counter == before + 1
        card.pull_out()
        card.insert()
        answer, _ = pay(reader)
        assert answer.atc == before + 2
        assert not [thread for thread in threading.enumerate() if thread.name == f"reader {CONTACT}"][1:]


def test_a_card_that_answers_after_its_time_can_be_used_where_it_lies(card):
    with ChipReader(CONTACT, exchange_timeout_ms=SHORT_MS) as reader:
        wait(reader)
        before = card.memory.counter
        card.fault(f"slow:GENERATE_AC,{3 * SHORT_MS}")

        with pytest.raises(ReaderTimeoutError):
            generate_cryptogram(reader, payment())

        answer, _ = pay(reader)
        assert answer.atc == before + 2


def test_removal_is_seen(card, reader):
    wait(reader)
    assert reader.wait_for_removal(0) is False

    card.fault("pull-now")

    assert reader.wait_for_removal(WAIT_MS) is True
    wait(reader)


def test_events_tell_of_cards_and_readers_in_order(chip_world):
    events = Queue[CardEvent]()

    def next_event(reader):
        while (event := events.get(timeout=30)).reader != reader:
            pass
        return event.kind

    with CardWatch(events.put):
        assert next_event(CONTACTLESS) is CardEventKind.READER_ADDED
        with chip_world.card("event", CONTACTLESS):
            assert next_event(CONTACTLESS) is CardEventKind.INSERTED
        assert next_event(CONTACTLESS) is CardEventKind.REMOVED


def test_whichever_reader_gets_the_card(card, chip_world):
    with ChipReader(CONTACT) as contact, ChipReader(CONTACTLESS) as contactless:
        assert wait_for_any_card([contactless, contact], WAIT_MS) is contact
        assert read_card_number_of(contact) == NUMBER
        card.pull_out()
        contact.wait_for_removal(WAIT_MS)
        with pytest.raises(NoCardError):
            wait_for_any_card([contact, contactless], 0)
        with chip_world.card("whichever", CONTACTLESS):
            assert wait_for_any_card([contact, contactless], WAIT_MS) is contactless
            assert select_applet(contactless).key_version == 0
        card.insert()


def read_card_number_of(reader):
    select_applet(reader)
    return read_card_number(reader)


def test_threads_and_an_event_loop_share_a_reader(card, reader):
    wait(reader)
    command = READ_STATE.encode()

    async def from_a_loop():
        return await asyncio.gather(*(asyncio.to_thread(reader.exchange, command) for _ in range(50)))

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: reader.exchange(command), range(200)))
    answers += asyncio.run(from_a_loop())

    assert len(answers) == 250
    assert len(set(answers)) == 1


def test_two_programs_do_not_share_a_card(card, reader):
    wait(reader)

    with ChipReader(CONTACT) as other:
        with pytest.raises(ReaderBusyError, match="another program"):
            other.wait_for_card(0)
        reader.release()
        wait(other)


def test_a_reader_that_is_not_there_is_named(chip_world):
    with ChipReader("Nobody's 00 00") as reader, pytest.raises(ReaderNotFoundError, match=r"Nobody's 00 00: expected"):
        reader.wait_for_card(0)


def test_pcscd_that_ends_is_named_and_its_return_is_enough(card, reader, chip_world):
    events = Queue[CardEvent]()
    with CardWatch(events.put):
        wait(reader)
        chip_world.stop()
        try:
            with pytest.raises((CardLostError, CardServiceError)):
                read_figures(reader)
            with pytest.raises(CardServiceError, match="start pcscd"):
                reader.wait_for_card(0)
            with pytest.raises(CardServiceError, match="start pcscd"):
                list_readers()
        finally:
            chip_world.start()
        pay(reader)
        kinds = [events.get(timeout=30).kind]
        while kinds[-1] is not CardEventKind.SERVICE_BACK:
            kinds.append(events.get(timeout=30).kind)
        assert CardEventKind.SERVICE_LOST in kinds


def test_a_cleared_card_is_blank_and_goes_on_counting(card, reader):
    wait(reader)
    before = card.memory.counter

    cleared = clear_card(reader, ISSUER, proof())

    assert (cleared.state, cleared.counter, card.memory.key) == (CardState.BLANK, before + 1, "")
    made = make_card(reader, ISSUER, NUMBER, next(chains), proof())
    assert (made.state, made.counter) == (CardState.ISSUED, before + 2)


@pytest.mark.parametrize("fault", ["pull-before:PERSONALISE", "cut-before:person", "cut-after:person"])
def test_making_a_card_is_repeated_after_it_was_pulled_out(card, reader, fault):
    wait(reader)
    clear_card(reader, ISSUER, proof())
    chain = next(chains)
    card.fault(fault)
    with pytest.raises(CardLostError):
        make_card(reader, ISSUER, NUMBER, chain, proof())

    wait(reader)
    made = make_card(reader, ISSUER, NUMBER, chain, proof())

    assert (made.state, made.chain, card.memory.card_number) == (CardState.ISSUED, chain, NUMBER)


def test_the_command_line_makes_reads_and_clears_cards(chip_world, tmp_path):
    key = tmp_path / "training.key"
    assert run_cardswitch("device", "card", "training-key", key).returncode == 0
    with chip_world.card("typed", CONTACTLESS, uid="04112233445566") as card:
        at = ("--reader", CONTACTLESS)
        made = run_cardswitch("device", "card", "make", NUMBER, "--key", key, *at)
        assert made.returncode == 0, made.stderr
        assert "622126******5674" in made.stdout
        listed = json.loads(run_cardswitch("device", "readers", "--json").stdout)
        row = next(row for row in listed if row["reader"] == CONTACTLESS)
        assert (row["result"], row["card"], row["uid"]) == ("ready", "622126******5674", "04112233445566")
        assert (row["state"], row["counter"]) == ("ISSUED", 1)
        again = run_cardswitch("device", "card", "make", 6221260012345666, "--key", key, *at)
        assert (again.returncode, "expected a blank one" in again.stderr) == (1, True)
        assert run_cardswitch("device", "card", "fault", card.path, "pull-after:READ_STATE").returncode == 0
        pulled = run_cardswitch("device", "card", "read", *at)
        assert (pulled.returncode, "present the card again" in pulled.stderr) == (1, True)
        cleared = run_cardswitch("device", "card", "clear", "--key", key, *at, "--json")
        assert json.loads(cleared.stdout)["state"] == "BLANK", cleared.stderr
        secret = json.loads(key.read_text())["training_key"]
        assert secret not in made.stdout + made.stderr + card.path.read_text()


def test_a_blocked_card_stays_blocked(card, reader):
    """The last one: it leaves the module's card behind."""
    pay(reader, IssuerCommand.BLOCK)

    with pytest.raises(CardBlockedError, match="replace the card"):
        generate_cryptogram(reader, payment())
    wait(reader)
    with pytest.raises(CardBlockedError):
        generate_cryptogram(reader, payment())
    assert card.memory.state == CardState.BLOCKED
