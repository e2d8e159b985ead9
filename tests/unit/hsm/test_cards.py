"""Our card formats: the golden values that docs/card-formats.md gives to card suppliers, and what must be refused."""

import pytest

from hsm.bar_code import (
    BarCodeVerdict,
    check_bar_code,
    make_bar_code,
    one_time_code,
    parse_bar_code,
    sequence_at,
    token_unique,
)
from hsm.card_values import CHIP_SERVICE_CODE, card_verification_value
from hsm.cards import (
    AcAnswer,
    AcData,
    CardPurpose,
    Selected,
    accept_issuer_answer,
    card_key,
    card_number_unique,
    cryptogram_fits,
    diversification_input,
    generate_ac,
    generate_ac_command,
    issuer_answer,
    issuer_answer_command,
    select_command,
    session_key,
)
from hsm.data_errors import CardDataError, WrongFieldError
from hsm.stripe import cvv_fits, lrc, make_track2, parse_track2, ticket_fits

MASTER = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
CVK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
UID = bytes.fromhex("04782E21801D80")
NUMBER = "6221260012345674"
TOKEN = "12345678901"
BAR_KEY = bytes.fromhex("EA121F0BECB4D680FB6AC96BDC172453")
AC_KEY = bytes.fromhex("D83690D080C41A2B01D41FA16B22015F")
CHAIN = bytes.fromhex("DEADBEEF")
DATA = AcData(bytes.fromhex("0102030405060708"), 12345, 156, 0, 1_795_000_000, b"TERM0001")
STRIPE_42 = ";6221260012345674=29122011081504230114?"
STRIPE_43 = ";6221260012345674=29122011081504376496?"


def jitter_key():
    return card_key(MASTER, CardPurpose.JITTER, 1, card_number_unique(NUMBER))


# IC


def test_ic_golden_values():
    assert diversification_input(CardPurpose.AC, 1, UID).hex().upper() == "04782E21801D80F0525401015357303031"
    assert card_key(MASTER, CardPurpose.AC, 1, UID) == AC_KEY
    assert session_key(AC_KEY, 42, UID).hex().upper() == "08DB6AB6578DBD5AE053CDC154701CB9"
    command = generate_ac_command(DATA.pack())
    assert command.hex().upper() == "80AE80002001020304050607080000000123450156006AFD86C05445524D3030303100000000"

    answer = generate_ac(AC_KEY, 1, 42, UID, DATA.pack(), CHAIN)

    assert answer.pack().hex().upper() == "0100002A0000DEADBEEF0000C6D7A2B36A2CF4B9"
    back = issuer_answer(AC_KEY, UID, answer, bytes.fromhex("0A0B0C0D"))
    assert issuer_answer_command(back).hex().upper() == "80820000100A0B0C0D00000000669A57D2086E77EA"


def test_ic_data_and_answers_survive_the_round_trip():
    assert AcData.unpack(DATA.pack()) == DATA
    answer = generate_ac(AC_KEY, 1, 42, UID, DATA.pack(), CHAIN, flags=3)
    assert AcAnswer.unpack(answer.pack()) == answer
    selected = Selected(1, 1, UID)
    assert Selected.unpack(selected.pack()) == selected
    assert select_command().hex().upper() == "00A4040008F0524554414C303100"


def test_every_bit_of_an_ic_answer_and_its_data_counts():
    data = DATA.pack()
    whole = generate_ac(AC_KEY, 1, 42, UID, data, CHAIN).pack()
    assert cryptogram_fits(AC_KEY, UID, data, AcAnswer.unpack(whole))
    for bit in range(len(whole) * 8):
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << bit % 8
        try:
            assert not cryptogram_fits(AC_KEY, UID, data, AcAnswer.unpack(bytes(altered))), bit
        except (CardDataError, WrongFieldError):
            assert bit // 8 in (0, 10, 11), bit  # filler, or key version 0
    for bit in range(len(data) * 8):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        assert not cryptogram_fits(AC_KEY, UID, bytes(altered), AcAnswer.unpack(whole)), bit


def test_a_dump_on_another_chip_fails():
    answer = generate_ac(AC_KEY, 1, 42, UID, DATA.pack(), CHAIN)
    other = bytes.fromhex("04782E21801D81")
    assert not cryptogram_fits(card_key(MASTER, CardPurpose.AC, 1, other), other, DATA.pack(), answer)
    assert not cryptogram_fits(AC_KEY, other, DATA.pack(), answer)


def test_a_card_takes_only_the_answer_to_its_own_cryptogram():
    answer = generate_ac(AC_KEY, 1, 42, UID, DATA.pack(), CHAIN)
    back = issuer_answer(AC_KEY, UID, answer, bytes.fromhex("0A0B0C0D"), 7)
    assert accept_issuer_answer(AC_KEY, UID, answer, back) == (bytes.fromhex("0A0B0C0D"), 7)
    for bit in range(len(back) * 8):
        altered = bytearray(back)
        altered[bit // 8] ^= 1 << bit % 8
        assert accept_issuer_answer(AC_KEY, UID, answer, bytes(altered)) is None, bit
    later = generate_ac(AC_KEY, 1, 43, UID, DATA.pack(), CHAIN)
    assert accept_issuer_answer(AC_KEY, UID, later, back) is None


def test_keys_differ_by_purpose_version_and_medium():
    keys = {
        card_key(MASTER, CardPurpose.AC, 1, UID),
        card_key(MASTER, CardPurpose.AC, 2, UID),
        card_key(MASTER, CardPurpose.AC, 1, bytes(7)),
        card_key(MASTER, CardPurpose.CODE, 1, token_unique(TOKEN)),
        card_key(MASTER, CardPurpose.JITTER, 1, card_number_unique(NUMBER)),
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: card_key(MASTER, CardPurpose.AC, 0, UID),
        lambda: card_key(MASTER, CardPurpose.AC, 256, UID),
        lambda: card_key(MASTER, CardPurpose.AC, 1, UID + b"\0"),
        lambda: card_key(MASTER[:15], CardPurpose.AC, 1, UID),
        lambda: session_key(AC_KEY, 1 << 24, UID),
        lambda: session_key(AC_KEY, -1, UID),
        lambda: AcData(bytes(8), 10**12, 156, 0, 0, bytes(8)).pack(),
        lambda: AcData(bytes(8), 0, 1000, 0, 0, bytes(8)).pack(),
        lambda: AcData(bytes(7), 0, 156, 0, 0, bytes(8)).pack(),
        lambda: card_number_unique("12345678901234567"),
        lambda: token_unique("1234567890"),
        lambda: one_time_code(BAR_KEY, 1, TOKEN, 1 << 40),
        lambda: make_track2(CVK, jitter_key(), 1, NUMBER, "2912", "201", 0, 1 << 32),
    ],
)
def test_a_field_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(WrongFieldError, match=r"expected .*, got"):
        wrong()


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(33), bytes(31) + b"\1", bytes(8) + b"\xaa" + bytes(23)])
def test_ic_data_that_is_none_is_refused(data):
    with pytest.raises(CardDataError):
        AcData.unpack(data)


@pytest.mark.parametrize("cut", [0, 1, 19, 21, 28])
def test_an_answer_to_select_that_is_not_ours_is_refused(cut):
    whole = Selected(1, 1, UID).pack()
    with pytest.raises(CardDataError):
        Selected.unpack(whole[:cut])
    with pytest.raises(CardDataError):
        Selected.unpack(whole + b"\0")


# Bar code


def test_bar_code_golden_values():
    assert sequence_at(1_795_000_000, 3) == 598_333_333
    assert make_bar_code(BAR_KEY, 1, TOKEN, 598_333_333) == "971123456789013319303218"


def test_a_bar_code_is_good_once_and_for_a_minute():
    now_s = 1_795_000_000
    shown = parse_bar_code(make_bar_code(BAR_KEY, 1, TOKEN, sequence_at(now_s, 3)))
    assert check_bar_code(BAR_KEY, 1, shown, now_s, 0) == (BarCodeVerdict.OK, 598_333_333)
    assert check_bar_code(BAR_KEY, 1, shown, now_s, 598_333_332) == (BarCodeVerdict.OK, 598_333_333)
    assert check_bar_code(BAR_KEY, 1, shown, now_s, 598_333_333) == (BarCodeVerdict.REPLAY, 598_333_333)
    assert check_bar_code(BAR_KEY, 1, shown, now_s, 598_333_340) == (BarCodeVerdict.REPLAY, 598_333_340)
    assert check_bar_code(BAR_KEY, 1, shown, now_s + 60, 0)[0] is BarCodeVerdict.OK
    assert check_bar_code(BAR_KEY, 1, shown, now_s - 30, 0)[0] is BarCodeVerdict.OK
    assert check_bar_code(BAR_KEY, 1, shown, now_s + 90, 7) == (BarCodeVerdict.STALE, 7)
    assert check_bar_code(BAR_KEY, 1, shown, now_s - 90, 7) == (BarCodeVerdict.STALE, 7)
    assert check_bar_code(BAR_KEY, 2, shown, now_s, 7) == (BarCodeVerdict.BAD, 7)


def test_no_altered_bar_code_is_taken():
    text = make_bar_code(BAR_KEY, 1, TOKEN, sequence_at(1_795_000_000))
    for place in range(2, len(text)):
        for digit in "0123456789":
            altered = parse_bar_code(text[:place] + digit + text[place + 1 :])
            verdict, _ = check_bar_code(BAR_KEY, 1, altered, 1_795_000_000, 0)
            assert (verdict is BarCodeVerdict.OK) == (digit == text[place]), place


@pytest.mark.parametrize(
    "text", ["", "97", "97112345678901331930321", "9711234567890133193032180", "98" + 22 * "1", "97" + 22 * "１"]
)
def test_what_is_no_bar_code_of_ours_is_refused(text):
    with pytest.raises(CardDataError):
        parse_bar_code(text)


# Stripe


def test_stripe_golden_values():
    assert diversification_input(CardPurpose.JITTER, 1, card_number_unique(NUMBER)).hex().upper() == (
        "6221260012345674F0525421015357303031"
    )
    assert card_verification_value(CVK, NUMBER, "2912", "201") == "815"
    assert card_verification_value(CVK, NUMBER, "2912", CHIP_SERVICE_CODE) == "353"
    for ticket, track in ((42, STRIPE_42), (43, STRIPE_43)):
        assert make_track2(CVK, jitter_key(), 1, NUMBER, "2912", "201", 0, ticket) == track
        assert len(track) == 39
    assert lrc(STRIPE_42) == "9"


def test_a_stripe_is_judged_by_cvv_and_ticket():
    track = parse_track2(STRIPE_42)
    assert (track.card_number, track.issue_digit, track.ticket_shown) == (NUMBER, 0, 42)
    assert cvv_fits(CVK, track)
    assert not cvv_fits(bytes(16), track)
    assert ticket_fits(jitter_key(), 1, track, 42)
    assert not ticket_fits(jitter_key(), 1, track, 43)
    assert not ticket_fits(jitter_key(), 1, track, 1042), "the MAC covers the whole ticket, not what is shown of it"


def test_shown_ticket_digits_that_are_not_those_of_the_mac_are_refused():
    track = parse_track2(STRIPE_42.replace("8150423", "8150433"))
    assert track.ticket_mac == parse_track2(STRIPE_42).ticket_mac
    assert not ticket_fits(jitter_key(), 1, track, 42)
    assert not ticket_fits(jitter_key(), 1, track, 43)


def test_a_stripe_is_read_with_or_without_lrc():
    assert parse_track2(STRIPE_42 + lrc(STRIPE_42)) == parse_track2(STRIPE_42)
    with pytest.raises(CardDataError, match="LRC"):
        parse_track2(STRIPE_42 + "8")


@pytest.mark.parametrize("track", ["", STRIPE_42[:-1], STRIPE_42[1:], STRIPE_42 + "99", STRIPE_42.replace("=", "D")])
def test_what_is_no_stripe_of_ours_is_refused_and_not_repeated(track):
    with pytest.raises(CardDataError) as refusal:
        parse_track2(track)
    assert NUMBER not in str(refusal.value)
    assert NUMBER not in repr(parse_track2(STRIPE_42))
