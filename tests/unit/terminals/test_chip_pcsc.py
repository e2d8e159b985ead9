"""PC/SC results by name, and the lengths that T=0 splits from commands; pcscd itself is in the end-to-end tests."""

import pytest
import smartcard.scard

from terminals.chip.errors import (
    CardLostError,
    CardServiceError,
    ChipError,
    ReaderBusyError,
    ReaderNotFoundError,
)
from terminals.chip.pcsc import FOLLOW_UPS_MAX, Connection, Context, ReaderFailedError, ServiceLostError

OK = smartcard.scard.SCARD_S_SUCCESS


class Pcsc:
    """smartcard.scard with answers laid down: `answers` of the card, `result` of everything."""

    def __init__(self, answers=(), result=OK, protocol=smartcard.scard.SCARD_PROTOCOL_T0):
        self.answers, self.result, self.protocol = list(answers), result, protocol
        self.sent: list[str] = []
        self.closed_count = 0

    def __getattr__(self, name):
        return getattr(smartcard.scard, name)

    def SCardEstablishContext(self, scope):  # noqa: N802  as PC/SC has it
        return OK, 1

    def SCardConnect(self, context, reader, mode, protocols):  # noqa: N802
        return self.result, 2, self.protocol

    def SCardTransmit(self, handle, request, command):  # noqa: N802
        self.sent.append(bytes(command).hex())
        return self.result, list(bytes.fromhex(self.answers.pop(0)))

    def SCardDisconnect(self, handle, disposition):  # noqa: N802
        self.closed_count += 1
        return OK


@pytest.fixture
def connect(monkeypatch):
    def connect(pcsc) -> Connection:
        monkeypatch.setattr("terminals.chip.pcsc._scard", lambda: pcsc)
        return Context().connect("a reader")

    return connect


def test_t0_fetches_what_the_card_has_ready(connect):
    pcsc = Pcsc(["6103", "0a0b0c9000"])

    assert connect(pcsc).exchange(bytes.fromhex("80ae80000201ff00")).hex() == "0a0b0c9000"
    assert pcsc.sent == ["80ae80000201ff", "00c0000003"]  # the expected length is not sent behind data


def test_t0_fetches_in_pieces(connect):
    pcsc = Pcsc(["0a6102", "0b0c6101", "0d9000"])

    assert connect(pcsc).exchange(bytes.fromhex("80ca00c000")).hex() == "0a0b0c0d9000"


def test_t0_repeats_with_the_length_that_the_card_names(connect):
    pcsc = Pcsc(["6c05", "01020304059000"])

    assert connect(pcsc).exchange(bytes.fromhex("80ca00c000")).hex() == "01020304059000"
    assert pcsc.sent == ["80ca00c000", "80ca00c005"]


def test_a_card_that_never_comes_to_an_end_is_left(connect):
    pcsc = Pcsc(["6101"] * (FOLLOW_UPS_MAX + 2))

    with pytest.raises(CardLostError, match=f"{FOLLOW_UPS_MAX} pieces"):
        connect(pcsc).exchange(bytes.fromhex("80ca00c000"))


def test_t1_gets_commands_as_they_are(connect):
    pcsc = Pcsc(["9000"], protocol=smartcard.scard.SCARD_PROTOCOL_T1)

    connect(pcsc).exchange(bytes.fromhex("80ae80000201ff00"))

    assert pcsc.sent == ["80ae80000201ff00"]


@pytest.mark.parametrize("answer", ["", "90"])
def test_less_than_a_status_word_is_a_lost_card_whatever_the_result_says(connect, answer):
    with pytest.raises(CardLostError, match="hold it"):
        connect(Pcsc([answer])).exchange(bytes.fromhex("80ca00c000"))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("SCARD_W_REMOVED_CARD", CardLostError),
        ("SCARD_E_NO_SMARTCARD", CardLostError),
        ("SCARD_W_UNRESPONSIVE_CARD", CardLostError),
        ("SCARD_E_NOT_TRANSACTED", CardLostError),
        ("SCARD_E_UNKNOWN_READER", ReaderNotFoundError),
        ("SCARD_E_READER_UNAVAILABLE", ReaderNotFoundError),
        ("SCARD_E_SHARING_VIOLATION", ReaderBusyError),
        ("SCARD_E_NO_SERVICE", ServiceLostError),
        ("SCARD_E_INVALID_HANDLE", ServiceLostError),
        ("SCARD_E_INVALID_PARAMETER", ReaderFailedError),
    ],
)
def test_results_are_errors_by_name(connect, name, error):
    result = getattr(smartcard.scard, name)

    with pytest.raises(error, match=r"expected .*, got .*; "):
        connect(Pcsc(result=result))


def test_a_machine_without_pcscd_says_what_to_start(monkeypatch):
    pcsc = Pcsc()
    monkeypatch.setattr(pcsc, "SCardEstablishContext", lambda scope: (smartcard.scard.SCARD_E_NO_SERVICE, 0), False)
    monkeypatch.setattr("terminals.chip.pcsc._scard", lambda: pcsc)

    with pytest.raises(CardServiceError, match="start pcscd"):
        Context()


def test_a_machine_without_pyscard_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "smartcard.scard", None)

    with pytest.raises(ChipError, match=r"cardswitch\[devices\]"):
        Context()
