import pytest

from terminals.printing import (
    Cut,
    Document,
    PrinterNotReadyError,
    PrinterState,
    PrintInterruptedError,
    QrCode,
    ReceiptPrinter,
    TextLine,
    document_bytes,
    state_of,
)
from terminals.receipts import Language, lay_out, plain
from terminals.virtual_printer import Paper
from tests.support.counter import receipt

LINE: Document = (TextLine("中文 abc"), Cut())


def test_chinese_goes_out_in_the_printers_chinese_mode():
    content = document_bytes(LINE, 48)

    assert content.startswith(b"\x1b@\x1c&")
    assert "中文 abc\n".encode("gb18030") in content
    assert content.endswith(b"\x1dV\x00") or b"\x1dV" in content[-8:]


def test_the_paper_shows_what_was_laid_out():
    paper = Paper()
    document = lay_out(receipt(), Language.CHINESE)
    paper.feed(document_bytes(document, 48))

    shown = [line.rstrip() for line in paper.lines if line and not line.startswith("- -")]
    assert shown == plain(document).splitlines()
    assert not [line for line in paper.lines if "unknown" in line]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_a_printer_understands_pieces(size):
    content = document_bytes(lay_out(receipt(), Language.ENGLISH), 48)
    whole, pieces = Paper(), Paper()
    whole.feed(content)
    for start in range(0, len(content), size):
        pieces.feed(content[start : start + size])

    assert pieces.lines == whole.lines


def test_a_line_wider_than_the_paper_is_refused():
    document_bytes([TextLine("中" * 16)], 32)
    for line in (TextLine("中" * 17), TextLine("中" * 9, is_double=True)):
        with pytest.raises(ValueError, match="columns"):
            document_bytes([line], 32)


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ((0x12, 0x12, 0x12, 0x12), PrinterState.READY),
        ((0x12, 0x12, 0x12, 0x1E), PrinterState.PAPER_LOW),
        ((0x1A, 0x32, 0x12, 0x72), PrinterState.PAPER_OUT),
        ((0x1A, 0x16, 0x12, 0x12), PrinterState.COVER_OPEN),
        ((0x1A, 0x52, 0x1A, 0x12), PrinterState.CUTTER_STUCK),
        ((0x1A, 0x52, 0x32, 0x12), PrinterState.FAULT),
        ((0x1A, 0x12, 0x12, 0x12), PrinterState.OFFLINE),
        ((0x1A, 0x36, 0x12, 0x72), PrinterState.COVER_OPEN),
    ],
)
def test_states_have_names(answers, state):
    assert state_of(*answers) is state
    assert state.prints == (state in (PrinterState.READY, PrinterState.PAPER_LOW))


class Line:
    """A printer of python-escpos whose other end is a `Paper`."""

    def __init__(self, paper):
        self.paper, self.answers = paper, b""

    def _raw(self, data):
        self.answers += self.paper.feed(data)

    def read(self):
        first, self.answers = self.answers[:1], self.answers[1:]
        return first


def printer_of(paper):
    line = Line(paper)
    return ReceiptPrinter(line, 48, line.read)


def test_a_receipt_is_printed_when_the_printer_has_said_so():
    paper = Paper()

    assert printer_of(paper).print(LINE) is PrinterState.READY
    assert paper.lines[0] == "中文 abc"


@pytest.mark.parametrize(
    ("setting", "state"),
    [
        ({"is_cover_open": True}, PrinterState.COVER_OPEN),
        ({"is_offline": True}, PrinterState.OFFLINE),
        ({"lines_left": 0}, PrinterState.PAPER_OUT),
    ],
)
def test_nothing_is_sent_to_a_printer_that_is_not_ready(setting, state):
    paper = Paper()
    for name, value in setting.items():
        setattr(paper, name, value)
    with pytest.raises(PrinterNotReadyError) as refused:
        printer_of(paper).print(LINE)

    assert refused.value.state is state
    assert paper.lines == []


def test_paper_that_ends_in_the_middle_is_an_interrupted_receipt():
    paper = Paper()
    paper.lines_left = 5
    printer = printer_of(paper)
    assert printer.state() is PrinterState.PAPER_LOW
    with pytest.raises(PrintInterruptedError) as interrupted:
        printer.print(lay_out(receipt(), Language.CHINESE))

    assert interrupted.value.state is PrinterState.PAPER_OUT
    assert len(paper.lines) == 5


def test_a_file_gets_the_bytes(tmp_path):
    with ReceiptPrinter.to_file(tmp_path / "lp0", 48) as printer:
        assert printer.print([*LINE, QrCode("A1")]) is PrinterState.READY

    assert (tmp_path / "lp0").read_bytes() == document_bytes([*LINE, QrCode("A1")], 48)
