"""Bytes of the applet, with the golden values of the card formats."""

import pytest

from hsm.cards import Selected as IssuersSelected
from hsm.cards import generate_ac_command, issuer_answer_command, select_command
from terminals.chip.applet import (
    READ_NUMBER,
    READ_STATE,
    SELECT,
    Apdu,
    CardFigures,
    CardKind,
    CardState,
    Instruction,
    PersonalData,
    Selected,
    data_of,
    decode_number,
    encode_number,
    generate_ac,
    issuer_answer,
    personalise,
)
from terminals.chip.errors import (
    AppletMissingError,
    CardAnswerError,
    CardBlockedError,
    CardConditionsError,
    CardMemoryError,
    CardSecurityError,
    CardStatusError,
    StatusWord,
    WrongCommandError,
)
from tests.unit.terminals.chip import CHAIN, KEY, NUMBER, PAYMENT, UID


def test_commands_are_those_of_the_card_formats():
    assert SELECT.encode() == select_command()
    assert generate_ac(PAYMENT).encode() == generate_ac_command(PAYMENT.pack())
    assert generate_ac(PAYMENT).encode().hex() == (
        "80ae80002001020304050607080000000123450156006afd86c05445524d3030303100000000"
    )
    answer = bytes.fromhex("0A0B0C0D00000000669A57D2086E77EA")
    assert issuer_answer(answer).encode() == issuer_answer_command(answer)
    assert READ_STATE.encode().hex() == "80ca00c000"
    assert READ_NUMBER.encode().hex() == "00b2010400"
    personal = personalise(PersonalData(1, KEY, CHAIN, NUMBER)).encode().hex()
    assert personal == f"80da00c02001{KEY.hex()}deadbeef6221260012345674ffff00"


def test_what_is_selected_is_the_form_of_the_card_formats_and_version_0_a_blank_card():
    assert Selected(UID, 7).encode() == IssuersSelected(1, 7, UID).pack()
    assert Selected.decode(Selected(UID, 0).encode()) == Selected(UID, 0)


@pytest.mark.parametrize("content", [b"", b"\x6f", Selected(UID, 1).encode()[:-1], Selected(UID, 1).encode() + b"\0"])
def test_another_answer_to_select_is_no_card_of_ours(content):
    with pytest.raises(CardAnswerError, match="SELECT: expected"):
        Selected.decode(content)


def test_a_byte_changed_in_the_frame_of_what_is_selected_is_seen():
    content = Selected(UID, 1).encode()
    for at in (*range(19), 20, 21):
        with pytest.raises(CardAnswerError):
            Selected.decode(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_state_has_its_figures():
    figures = CardFigures(CardState.ISSUED, CardKind.TRAINING, 3, 0x01F2E3, CHAIN, UID)

    assert figures.encode().hex() == "01010301f2e3deadbeef" + UID.hex()
    assert CardFigures.decode(figures.encode()) == figures
    for content in (b"", figures.encode()[1:], b"\x09" + figures.encode()[1:], b"\x01\x09" + figures.encode()[2:]):
        with pytest.raises(CardAnswerError, match="READ_STATE: expected"):
            CardFigures.decode(content)


@pytest.mark.parametrize("number", [10_000_000, NUMBER, 9_999_999_999_999_999_999])
def test_card_numbers_come_back(number):
    assert decode_number(encode_number(number)) == number


@pytest.mark.parametrize("text", ["", "ff" * 10, "1234567" + "f" * 13, "0123456789" + "f" * 10, "62a1" + "f" * 16])
def test_what_is_no_card_number_is_refused(text):
    with pytest.raises(CardAnswerError, match="READ_NUMBER: expected"):
        decode_number(bytes.fromhex(text))


@pytest.mark.parametrize("number", [9_999_999, 10**19, -12_345_678])
def test_a_number_that_no_card_has_is_not_encoded(number):
    with pytest.raises(ValueError, match="expected"):
        encode_number(number)


@pytest.mark.parametrize(
    "apdu",
    [Apdu(b"\x00\xb0\x00\x00"), Apdu(b"\x00\xb0\x00\x00", b"", 256), Apdu(b"\x00\xb0\x00\x00", b"", 1)]
    + [Apdu(b"\x00\xd6\x00\x00", bytes(n), le) for n in (1, 255) for le in (None, 1, 256)],
)
def test_commands_come_back(apdu):
    assert Apdu.decode(apdu.encode()) == apdu


@pytest.mark.parametrize("text", ["", "00a404", "00a4040000", "00a4040005aabb", "00a404000100aabb", "00a40400000001"])
def test_lengths_that_do_not_fit_are_refused(text):
    content = bytes.fromhex(text)
    if text == "00a4040000":
        assert Apdu.decode(content).expected_bytes == 256  # the one of these that is a command
    else:
        with pytest.raises(WrongCommandError, match="expected"):
            Apdu.decode(content)


def test_every_command_knows_its_name():
    assert [Apdu(instruction.value).instruction for instruction in Instruction] == list(Instruction)
    assert Apdu(b"\x00\x00\x00\x00").instruction is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (StatusWord.NOT_FOUND, AppletMissingError),
        (StatusWord.SECURITY_STATUS, CardSecurityError),
        (StatusWord.BLOCKED, CardBlockedError),
        (StatusWord.CONDITIONS, CardConditionsError),
        (StatusWord.MEMORY, CardMemoryError),
        (0x6F00, CardStatusError),
    ],
)
def test_status_words_are_errors_by_name(status, error):
    with pytest.raises(error, match=f"X: expected status 9000, got {status:04X}") as raised:
        data_of(b"data" + status.to_bytes(2, "big"), "X")
    assert raised.value.status == status


def test_an_answer_without_status_is_none():
    assert data_of(b"data\x90\x00", "X") == b"data"
    with pytest.raises(CardAnswerError):
        data_of(b"\x90", "X")


def test_a_key_is_not_shown():
    data = PersonalData(1, KEY, CHAIN, NUMBER)

    assert KEY.hex() not in repr(data)
    assert repr(KEY) not in repr(data)
    assert str(NUMBER) not in repr(data)
    assert PersonalData.decode(data.encode()) == data
