import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.bar_code import make_bar_code
from terminals.scanner import (
    CODE_BYTES_MAX,
    CODE_GAP_MS,
    REPEAT_WINDOW_MS,
    CodeError,
    CodeGarbageError,
    CodeKind,
    CodeRead,
    CodeTooLongError,
    CodeTruncatedError,
    ScannerParser,
    ScannerRules,
)
from tests.support.counter import CARD, DYNAMIC_CODE


def scan(text, rules=None, now_ms=0):
    return ScannerParser(rules).feed(text.encode(), now_ms)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_dynamic_code_comes_with_its_fields(end):
    (read,) = scan("]C1" + DYNAMIC_CODE + end)

    assert (read.kind, read.text, read.symbology) == (CodeKind.DYNAMIC, DYNAMIC_CODE, "C1")
    assert read.dynamic.token == "12345678901"
    assert (read.dynamic.key_version_digit, read.dynamic.sequence_shown, read.dynamic.code) == (1, 33, "19303218")
    assert DYNAMIC_CODE not in repr(read)


def test_what_the_app_shows_is_what_the_scanner_reads():
    code = make_bar_code(b"k" * 16, 4, "00000000017", 598_333_345)
    (read,) = scan(code + "\r")

    assert (read.dynamic.key_version_digit, read.dynamic.token, read.dynamic.sequence_shown) == (4, "00000000017", 45)


@pytest.mark.parametrize(
    ("text", "kind", "symbology"),
    [
        (CARD, CodeKind.PRINTED, ""),
        ("]C0" + CARD, CodeKind.PRINTED, "C0"),
        ("]E0" + CARD, CodeKind.OTHER, "E0"),
        ("6221260012345675", CodeKind.OTHER, ""),
        ("6901234567892", CodeKind.OTHER, ""),
        ("98" + DYNAMIC_CODE[2:], CodeKind.OTHER, ""),
        (DYNAMIC_CODE + "0", CodeKind.OTHER, ""),
        ("]Q1https://例.example/优惠", CodeKind.OTHER, "Q1"),
    ],
)
def test_other_codes_are_told_apart(text, kind, symbology):
    (read,) = scan(text + "\r")

    assert (read.kind, read.symbology) == (kind, symbology)
    assert text.endswith(read.text)


def test_a_printed_number_is_masked_and_goods_are_not():
    assert [repr(scan(text + "\r")[0]) for text in (CARD, "6901234567892")] == [
        "CodeRead(PRINTED, 622126******5674, symbology unknown)",
        "CodeRead(OTHER, '6901234567892', symbology unknown)",
    ]


def test_a_code_that_lies_under_the_scanner_is_one_read():
    parser = ScannerParser()
    window = REPEAT_WINDOW_MS
    moments = [0, window - 1, 2 * window - 2, 3 * window - 2, 3 * window, 3 * window + 1]
    codes = [CARD, CARD, CARD, CARD, "6901234567892", CARD]
    counts = [len(parser.feed(f"{code}\r".encode(), now_ms)) for code, now_ms in zip(codes, moments, strict=True)]

    assert counts == [1, 0, 0, 1, 1, 1]


def test_a_prefix_is_taken_off_and_required():
    rules = ScannerRules(prefix="A:", card_digits=frozenset({19}))
    assert scan("A:6221260012345674\r", rules)[0].kind is CodeKind.OTHER
    assert isinstance(scan(CARD + "\r", rules)[0], CodeGarbageError)


def test_what_is_no_code_is_named():
    parser = ScannerParser()
    assert parser.feed(b"12345", 0) == []
    assert parser.idle(CODE_GAP_MS - 1) == []
    assert [type(event) for event in parser.idle(CODE_GAP_MS)] == [CodeTruncatedError]
    assert [type(event) for event in parser.feed(b"\xff\xfe\r", 0)] == [CodeGarbageError]
    assert [type(event) for event in parser.feed(b"1\x1b2\r", 0)] == [CodeGarbageError]
    assert [type(event) for event in parser.feed(b"7" * (CODE_BYTES_MAX + 1) + b"\r", 0)] == [CodeTooLongError]


@given(st.lists(st.binary(max_size=80), max_size=60))
def test_garbage_in_pieces_never_breaks_the_parser_or_the_code_after_it(pieces):
    parser = ScannerParser()
    for piece in pieces:
        for event in parser.feed(piece, 0):
            assert isinstance(event, CodeRead | CodeError)
    parser.idle(CODE_GAP_MS)

    reads = parser.feed(f"{DYNAMIC_CODE}\r".encode(), REPEAT_WINDOW_MS)
    assert [read.text for read in reads if isinstance(read, CodeRead)] == [DYNAMIC_CODE]
