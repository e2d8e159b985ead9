"""The training card: what a chip answers and keeps, and what it holds when power goes at any step."""

import pytest

from hsm.cards import ATC_MAX, CardPurpose, card_key, cryptogram_fits, issuer_answer
from terminals.chip.applet import GO_OVER, READ_STATE, SELECT, CardState, IssuerCommand, PersonalData, generate_ac
from terminals.chip.card import (
    generate_cryptogram,
    give_issuer_answer,
    read_card_number,
    read_figures,
    select_applet,
    write_personal_data,
)
from terminals.chip.card_file import LOG_ENTRIES_MAX, HeldKey
from terminals.chip.errors import (
    CardBlockedError,
    CardConditionsError,
    CardMemoryError,
    CardSecurityError,
    CardStatusError,
    StatusWord,
)
from terminals.chip.virtual_card import CardGone
from tests.unit.terminals.chip import (
    CHAIN,
    KEY,
    MASTER_KEY,
    NEXT_CHAIN,
    NUMBER,
    PAYMENT,
    UID,
    Wire,
    answer_of_issuer,
    blank,
    made,
)


def test_the_golden_cryptogram_and_issuer_answer():
    wire = Wire()
    select_applet(wire)

    answer = wire.exchange(generate_ac(PAYMENT).encode())

    assert answer.hex() == "0100002a0000deadbeef0000c6d7a2b36a2cf4b99000"
    assert wire.exchange(bytes.fromhex("80820000100A0B0C0D00000000669A57D2086E77EA")).hex() == "9000"
    assert wire.memory.load().chain == "0a0b0c0d"


def test_card_and_issuer_agree_at_many_counters_and_chains():
    wire = Wire(made(counter=ATC_MAX - 40))
    select_applet(wire)
    for number in range(40):
        answer = generate_cryptogram(wire, PAYMENT)
        assert cryptogram_fits(KEY, UID, PAYMENT.pack(), answer)
        give_issuer_answer(wire, answer_of_issuer(answer, number.to_bytes(4, "big")))
        assert read_figures(wire).chain == number.to_bytes(4, "big")
    with pytest.raises(CardConditionsError):  # the counter is used up, and does not begin again
        generate_cryptogram(wire, PAYMENT)
    assert wire.memory.load().counter == ATC_MAX


def test_the_counter_is_stored_before_the_mac_is_made():
    wire = Wire(faults="cut-between:counter,mac")
    select_applet(wire)

    with pytest.raises(CardGone):
        generate_cryptogram(wire, PAYMENT)

    assert [memory.counter for memory in wire.memory.stored] == [41, 42]
    wire.card.power_on()
    select_applet(wire)
    assert generate_cryptogram(wire, PAYMENT).atc == 43


STEPS = [
    ("cut-before:counter", 41, CHAIN.hex()),
    ("cut-after:counter", 42, CHAIN.hex()),
    ("cut-before:mac", 42, CHAIN.hex()),
    ("cut-after:mac", 42, CHAIN.hex()),
    ("pull-before:GENERATE_AC", 41, CHAIN.hex()),
    ("pull-after:GENERATE_AC", 42, CHAIN.hex()),
    ("mute:GENERATE_AC,7", 42, CHAIN.hex()),
    ("cut-before:check", 42, CHAIN.hex()),
    ("cut-between:check,chain", 42, CHAIN.hex()),
    ("cut-before:chain", 42, CHAIN.hex()),
    ("cut-after:chain", 42, "0a0b0c0d"),
    ("pull-before:3", 42, CHAIN.hex()),
    ("pull-after:ISSUER_ANSWER", 42, "0a0b0c0d"),
]


@pytest.mark.parametrize(("fault", "counter", "chain"), STEPS, ids=[row[0] for row in STEPS])
def test_what_is_held_when_power_goes(fault, counter, chain):
    wire = Wire(faults=fault)

    with pytest.raises(CardGone):
        pay(wire)

    held = wire.memory.load()
    assert (held.counter, held.chain) == (counter, chain)
    wire.card.power_on()
    answer = pay(wire)
    assert (answer.atc, answer.chain.hex()) == (counter + 1, chain)


def pay(wire):
    select_applet(wire)
    answer = generate_cryptogram(wire, PAYMENT)
    give_issuer_answer(wire, answer_of_issuer(answer))
    return answer


def test_an_issuer_answer_may_be_tried_once_and_not_after_power_went():
    wire = Wire()
    select_applet(wire)
    answer = generate_cryptogram(wire, PAYMENT)
    right = answer_of_issuer(answer)
    with pytest.raises(CardSecurityError):
        give_issuer_answer(wire, right[:-1] + bytes([right[-1] ^ 1]))
    with pytest.raises(CardConditionsError):
        give_issuer_answer(wire, right)

    answer = generate_cryptogram(wire, PAYMENT)
    wire.card.power_on()
    select_applet(wire)
    with pytest.raises(CardConditionsError):
        give_issuer_answer(wire, answer_of_issuer(answer))

    assert wire.memory.load().chain == CHAIN.hex()


@pytest.mark.parametrize("at", range(16))
def test_an_altered_issuer_answer_changes_nothing(at):
    wire = Wire()
    select_applet(wire)
    content = answer_of_issuer(generate_cryptogram(wire, PAYMENT))
    altered = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    with pytest.raises(CardStatusError) as raised:
        give_issuer_answer(wire, altered)

    # No MAC covers the two bytes of filler, but they must be zeros.
    assert raised.value.status == (StatusWord.WRONG_DATA if at in (6, 7) else StatusWord.SECURITY_STATUS)
    assert wire.memory.load().chain == CHAIN.hex()


def test_block_and_clear():
    wire = Wire()
    select_applet(wire)
    give_issuer_answer(wire, answer_of_issuer(generate_cryptogram(wire, PAYMENT), command=IssuerCommand.CLEAR))
    cleared = wire.memory.load()
    assert cleared == blank(counter=42)
    write_personal_data(wire, PersonalData(1, KEY, CHAIN, NUMBER))
    give_issuer_answer(wire, answer_of_issuer(generate_cryptogram(wire, PAYMENT), command=IssuerCommand.BLOCK))

    assert wire.memory.load().counter == 43
    with pytest.raises(CardBlockedError):
        generate_cryptogram(wire, PAYMENT)


def test_an_unknown_command_of_the_issuer_is_refused():
    wire = Wire()
    select_applet(wire)

    with pytest.raises(CardStatusError) as raised:
        give_issuer_answer(wire, answer_of_issuer(generate_cryptogram(wire, PAYMENT), command=99))

    assert (raised.value.status, wire.memory.load().chain) == (StatusWord.WRONG_DATA, CHAIN.hex())


def test_only_a_blank_card_is_made():
    wire = Wire()
    select_applet(wire)
    with pytest.raises(CardConditionsError):
        write_personal_data(wire, PersonalData(2, bytes(16), CHAIN, NUMBER + 1))
    assert wire.memory.load() == made()

    wire = Wire(blank())
    assert select_applet(wire).key_version == 0
    for refused in (read_card_number, lambda card: generate_cryptogram(card, PAYMENT)):
        with pytest.raises(CardConditionsError):
            refused(wire)
    write_personal_data(wire, PersonalData(1, KEY, CHAIN, NUMBER))
    assert (read_card_number(wire), wire.memory.load()) == (NUMBER, made(counter=0))


def test_a_card_that_cannot_store_changes_nothing_and_says_so():
    wire = Wire()
    select_applet(wire)
    wire.memory.is_full = True
    with pytest.raises(CardMemoryError):
        generate_cryptogram(wire, PAYMENT)
    wire.memory.is_full = False

    assert generate_cryptogram(wire, PAYMENT).atc == 42


def test_the_log_keeps_the_last_and_whether_they_were_answered():
    wire = Wire()
    for _ in range(LOG_ENTRIES_MAX):
        pay(wire)
    generate_cryptogram(wire, PAYMENT)

    log = wire.memory.load().log

    assert [entry.counter for entry in log] == list(range(43, 43 + LOG_ENTRIES_MAX))
    assert [entry.answered for entry in log] == [True] * (LOG_ENTRIES_MAX - 1) + [False]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00", StatusWord.WRONG_LENGTH),
        ("a0a4040000", StatusWord.CLASS_UNKNOWN),
        ("0001000000", StatusWord.INSTRUCTION_UNKNOWN),
        ("00b2020400", StatusWord.RECORD_NOT_FOUND),
        ("80ca00c100", StatusWord.WRONG_P1_P2),
        ("00a4040002f05200", StatusWord.NOT_FOUND),
        ("80ae80000101", StatusWord.WRONG_LENGTH),
        ("80ae800020" + "ff" * 32 + "00", StatusWord.WRONG_DATA),
        ("8082000010" + "00" * 16, StatusWord.CONDITIONS),
    ],
)
def test_what_a_card_does_not_take(command, status):
    wire = Wire()
    select_applet(wire)
    before = wire.memory.load()

    assert wire.exchange(bytes.fromhex(command)) == status.to_bytes(2, "big")
    assert wire.memory.load() == before


def test_nothing_is_told_before_select():
    assert Wire().exchange(READ_STATE.encode()) == StatusWord.CONDITIONS.to_bytes(2, "big")


def test_slow_and_garbage_happen_once():
    wire = Wire(faults="slow:ANY,70 garbage:SELECT,3")

    assert wire.exchange(SELECT.encode()) == b"\xa5" * 3
    assert select_applet(wire).uid == UID
    assert wire.paused_ms == [70]


def test_a_card_says_that_it_is_for_training():
    wire = Wire()
    select_applet(wire)

    assert read_figures(wire).kind.name == "TRAINING"
    assert read_figures(wire).state is CardState.ISSUED


LATER_KEY = card_key(MASTER_KEY, CardPurpose.AC, 2, UID)
LATEST_KEY = card_key(MASTER_KEY, CardPurpose.AC, 3, UID)


def test_a_card_goes_over_to_a_later_key_when_its_issuer_says_so_and_not_back():
    wire = Wire(blank())
    select_applet(wire)
    write_personal_data(wire, PersonalData(1, KEY, CHAIN, NUMBER, ((2, LATER_KEY), (3, LATEST_KEY))))
    give_issuer_answer(wire, answer_of_issuer(generate_cryptogram(wire, PAYMENT), command=GO_OVER + 2))

    assert (wire.memory.load().chain, select_applet(wire).key_version) == (NEXT_CHAIN.hex(), 2)
    answer = generate_cryptogram(wire, PAYMENT)
    assert answer.key_version == 2 and cryptogram_fits(LATER_KEY, UID, PAYMENT.pack(), answer)
    assert [held.key_version for held in wire.memory.load().held_keys] == [3]
    for version in (1, 2, 4):
        answer = generate_cryptogram(wire, PAYMENT)
        with pytest.raises(CardStatusError) as raised:
            give_issuer_answer(wire, issuer_answer(LATER_KEY, UID, answer, CHAIN, GO_OVER + version))
        assert raised.value.status == StatusWord.WRONG_DATA
    assert (wire.memory.load().key_version, wire.memory.load().chain) == (2, NEXT_CHAIN.hex())


@pytest.mark.parametrize("fault", ["cut-before:chain", "cut-after:chain"])
def test_going_over_is_one_step_with_the_chain_value(fault):
    memory = made(held_keys=(HeldKey(2, LATER_KEY.hex()),))
    wire = Wire(memory, fault)
    select_applet(wire)
    with pytest.raises(CardGone):
        give_issuer_answer(wire, answer_of_issuer(generate_cryptogram(wire, PAYMENT), command=GO_OVER + 2))

    after = wire.memory.load()
    gone_over = (NEXT_CHAIN.hex(), 2, LATER_KEY.hex(), ())
    stayed = (CHAIN.hex(), 1, KEY.hex(), memory.held_keys)
    assert (after.chain, after.key_version, after.key, after.held_keys) == (gone_over if "after" in fault else stayed)


@pytest.mark.parametrize(
    "held", [((1, LATER_KEY),), ((3, LATER_KEY), (2, LATEST_KEY)), ((2, b"short"),), ((256, LATER_KEY),)]
)
def test_keys_to_go_over_to_are_later_ones_in_order(held):
    with pytest.raises(ValueError, match="held key"):
        PersonalData(1, KEY, CHAIN, NUMBER, held).encode()


def test_personal_data_with_held_keys_is_read_as_it_was_written():
    data = PersonalData(1, KEY, CHAIN, NUMBER, ((2, LATER_KEY), (3, LATEST_KEY)))

    assert PersonalData.decode(data.encode()) == data
    assert len(data.encode()) == 32 + 2 * 17
    for cut in (31, 33, 65):
        with pytest.raises(ValueError, match="bytes"):
            PersonalData.decode(data.encode()[:cut])
    assert LATER_KEY.hex() not in repr(data) and LATER_KEY.hex() not in repr(HeldKey(2, LATER_KEY.hex()))
