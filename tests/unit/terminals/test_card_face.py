import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from terminals.card_face import CHINESE_FACE, ENGLISH_FACE, CardFace, FaceTemplate, picture
from terminals.columns import width
from terminals.device_errors import DeviceAnswerError
from terminals.face_writer import frame, open_frame
from tests.support.counter import CARD

FACE = CardFace("张三丰", CARD, 123450, 100, datetime.date(2029, 12, 31), datetime.date(2026, 11, 22))


def test_a_face_has_rows_of_its_columns():
    assert CHINESE_FACE.fill(FACE) == (
        "张三丰",
        "622126******5674",
        "余额            1,234.50",
        "积分                1.00",
        "有效期至      2029-12-31",
        "上次光临      2026-11-22",
    )
    assert ENGLISH_FACE.fill(FACE)[2] == "Balance         1,234.50"


@given(st.text(max_size=80), st.integers(8, 40))
def test_any_name_fits(name, columns):
    template = FaceTemplate(("{name}", "x {name}|{balance}"), columns)
    face = CardFace(name, CARD, 10**12, 0, FACE.expiry, FACE.last_visit)

    assert all(width(row) <= columns for row in template.fill(face))


@pytest.mark.parametrize("row", ["{nme}", "{name", "{name!r}", "{name:>80}", "{name.__class__}", "{0}"])
def test_a_template_with_anything_but_fields_is_refused(row):
    with pytest.raises(ValueError, match="row 1"):
        FaceTemplate((row,))


def test_a_picture_has_a_bit_for_each_dot():
    blank = picture(("",), ImageFont.load_default(14), 64, 32)
    drawn = picture(("WWWW", "WWWW"), ImageFont.load_default(14), 64, 32)

    assert (len(blank.data), len(drawn.data)) == (64 * 32 // 8, 64 * 32 // 8)
    assert not any(blank.data)
    assert any(drawn.data[: 64 * 16 // 8])
    assert any(drawn.data[64 * 16 // 8 :])


def test_frames_carry_chinese_and_a_check():
    row = "余额".encode("gb18030")
    whole = frame(b"R", b"01" + row)

    assert open_frame(b"noise" + whole) == (b"R", b"01" + row)
    assert open_frame(whole[:-1]) is None
    for place in range(1, len(whole) - 2):
        with pytest.raises(DeviceAnswerError):
            open_frame(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
