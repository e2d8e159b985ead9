"""Faces of visual cards as dots: where items stand, what they say, whether the bar code is one."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminals import code_128
from terminals.card_face import find_font
from terminals.face_design import FaceDesign, FaceDesignError, FaceItem, Promotion, parse_face_book
from terminals.face_drawing import FaceError, FaceFacts, as_pbm, dots, draw_face, from_pbm
from tests.support.counter import CARD

FACTS = FaceFacts(CARD, "1000001", 1_234_50, 10_00, 12_50, 2, "周三会员日：双倍积分")
BARS = FaceItem("bar_code", 40, 380, 776, 110)
needs_font = pytest.mark.skipif(find_font() is None, reason="no font with Chinese characters (fonts-noto-cjk)")


def rows_of(picture):
    """Each line of dots as text of 1 and 0."""
    line_bytes = -(-picture.width_dots // 8)
    return [
        "".join(f"{byte:08b}" for byte in picture.data[at * line_bytes : (at + 1) * line_bytes])[: picture.width_dots]
        for at in range(picture.height_dots)
    ]


def read_code_128(line):
    """Digits of the bars in a line of dots: widths, symbols, check; a reader that shares nothing with the drawing."""
    barcode = pytest.importorskip("barcode.charsets.code128")
    table = {f"{code:0{code_128.MODULES_PER_SYMBOL}b}" if isinstance(code, int) else code: symbol
             for symbol, code in enumerate(barcode.CODES)}  # fmt: skip
    bars = line.strip("0")
    module = next(width for width in range(1, len(bars)) if bars[width] == "0") // 2  # every start has a bar of two
    read = bars[module // 2 :: module]
    symbols = [table[read[at : at + 11]] for at in range(0, len(read) - 13, 11)]
    *content, check = symbols
    assert content[0] == 105 and check == (content[0] + sum(n * one for n, one in enumerate(content))) % 103
    digits, at = "", 1
    while at < len(content):
        if content[at] == 100:
            digits += str(content[at + 1] - 16)
            break
        digits += f"{content[at]:02}"
        at += 1
    return digits


@given(st.text("0123456789", min_size=2, max_size=19))
def test_bars_read_back_as_the_number(digits):
    assert read_code_128("0000" + "".join(bar * 3 for bar in code_128.modules(digits)) + "000") == digits


def test_letters_are_no_number():
    with pytest.raises(ValueError, match="expected digits"):
        code_128.modules("12A4")


@needs_font
@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_the_bar_code_of_a_face_is_read_back_at_every_resolution(dpi):
    picture = draw_face(FaceDesign(3, 1, (BARS,)), FACTS, dpi)
    middle = dots(BARS.top + BARS.size // 2, dpi)
    assert read_code_128(rows_of(picture)[middle]) == CARD
    assert (picture.width_dots, picture.height_dots) == (dots(856, dpi), dots(540, dpi))
    assert from_pbm(as_pbm(picture)) == picture


@needs_font
def test_each_item_stays_in_its_box_and_says_what_it_is_for():
    design = {
        "holder": FaceItem("holder", 40, 40, 300, 50, text="No. "),
        "balance": FaceItem("balance", 40, 120, 300, 45, text="余额 "),
        "points": FaceItem("points", 500, 120, 300, 45, "right"),
        "promotion": FaceItem("promotion", 40, 260, 700, 60, "center"),
    }
    whole = draw_face(FaceDesign(3, 1, tuple(design.values())), FACTS)
    for name, item in design.items():
        alone = rows_of(draw_face(FaceDesign(3, 1, (item,)), FACTS))
        inked = [(top, row.index("1"), row.rindex("1")) for top, row in enumerate(alone) if "1" in row]
        assert inked, name
        assert dots(item.top, 300) <= inked[0][0] and inked[-1][0] < dots(item.top + item.size, 300), name
        assert min(left for _, left, _ in inked) >= dots(item.left, 300), name
        assert max(right for _, _, right in inked) < dots(item.left + item.width, 300), name
        left_gap = min(left for _, left, _ in inked) - dots(item.left, 300)
        right_gap = dots(item.left + item.width, 300) - max(right for _, _, right in inked)
        assert {"left": left_gap < right_gap, "right": right_gap < left_gap, "center": abs(left_gap - right_gap) < 20}[
            item.align
        ], name
    other = FaceFacts(CARD, "1000001", 1_222_00, 22_50, 12_50, 2, FACTS.promotion)
    assert draw_face(FaceDesign(3, 1, tuple(design.values())), other) != whole
    nobody = FaceFacts(CARD, "", 0, 0, 0, 1)
    assert not any(draw_face(FaceDesign(3, 1, (design["holder"], design["promotion"])), nobody).data)


@needs_font
def test_a_masked_number_hides_what_the_whole_one_shows():
    item = {kind: FaceItem(kind, 40, 40, 700, 50) for kind in ("number", "number_whole")}
    twin = FaceFacts(CARD[:6] + "000000" + CARD[-4:], "", 0, 0, 0, 1)
    assert draw_face(FaceDesign(3, 1, (item["number"],)), FACTS) == draw_face(FaceDesign(3, 1, (item["number"],)), twin)
    whole = FaceDesign(3, 1, (item["number_whole"],))
    assert draw_face(whole, FACTS) != draw_face(whole, twin)


def test_the_bars_of_a_face_are_golden():
    """Bars need no font, so their dots are the same everywhere."""
    bars = "".join(bar * 3 for bar in code_128.modules(CARD))
    assert hashlib.sha256(bars.encode()).hexdigest()[:16] == "0a1d1d456dd33881"


@needs_font
def test_a_bar_code_that_cannot_be_read_is_not_drawn():
    with pytest.raises(FaceError, match="expected a box of at least"):
        draw_face(FaceDesign(3, 1, (FaceItem("bar_code", 0, 0, 100, 100),)), FACTS)


def document(**changes):
    item = {"kind": "balance", "left": 50, "top": 120, "width": 400, "size": 40, "align": "left", "text": ""}
    face = {"card_type": 3, "version": 7, "items": [item | changes.pop("item", {})]}
    return json.dumps({"format": 1, "faces": [face], "promotions": [], **changes}).encode()


def test_a_document_becomes_a_book():
    book = parse_face_book(document())
    assert book.faces[0].items == (FaceItem("balance", 50, 120, 400, 40),)
    assert book.design(3) == book.faces[0] and book.design(4) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "expected JSON"),
        (b'{"format": 2}', "expected a document of format 1, got 2"),
        (document(faces=3), "faces: expected a list"),
        (document(item={"kind": "photo"}), r"items\[0\].kind: expected one of holder"),
        (document(item={"left": 900}), r"items\[0\].left: expected 0 to 855, got 900"),
        (document(item={"width": 807}), r"items\[0\].width: expected 1 to 806"),
        (document(item={"size": 5}), "size: expected 15 to 200"),
        (document(item={"colour": "red"}), "colour: expected one of kind"),
        (document(item={"text": "a\nb"}), "printable"),
        (document(promotions=[{"text": "x", "members": ["1"]}]), "numbers of members"),
    ],
)
def test_a_document_that_is_none_is_refused_with_its_fault(content, said):
    with pytest.raises(FaceDesignError, match=said):
        parse_face_book(content)


def test_the_group_comes_before_the_level_and_that_before_everybody():
    rows = [
        {"text": "all"},
        {"text": "gold", "level": 3},
        {"text": "type 4", "card_type": 4},
        {"text": "club", "members": [7]},
        {"text": "old", "level": 3, "until_date": 99},
    ]
    book = parse_face_book(document(promotions=rows))
    asked = [(0, 1, 3), (0, 3, 3), (0, 1, 4), (7, 3, 4), (8, 3, 3)]
    assert [book.promotion(*who, 100) for who in asked] == ["all", "gold", "type 4", "club", "gold"]
    assert not Promotion("x", from_date=101).fits(0, 1, 3, 100)
