"""The text of a short message: its alphabet, length and parts, against two other programs and printed examples."""

import gsm0338
import pytest
import smsutil
from hypothesis import given, settings
from hypothesis import strategies as st

from admin.errors import RefusedError
from admin.messaging.merging import FIELDS, fields_in, merged
from admin.messaging.text import (
    BASIC,
    EXTENSION,
    GSM,
    PART_UNITS,
    SINGLE_UNITS,
    UCS2,
    alphabet_of,
    composed,
    encoded,
    faults_in,
    measured,
    units_of,
)

GSM_TEXT = st.text(st.sampled_from(sorted({*BASIC.replace("\x1b", ""), *EXTENSION})), max_size=400)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.text(
    st.sampled_from("汉字e\u0301👨\u200d👩\u200d👧👍🏽🇨🇳a€"), max_size=200
)
FAMILY = "👨\u200d👩\u200d👧"


def test_the_alphabet_is_that_of_ts_23_038():
    codec = gsm0338.Codec()
    assert len(BASIC) == 128 and len(EXTENSION) == 10
    for character in {*BASIC.replace("\x1b", ""), *EXTENSION}:
        assert encoded(character) == codec.encode(character)[0], character
        assert smsutil.is_valid_gsm(character) or character == "\f", character


def test_lengths_of_the_table_in_every_manual():
    for text, alphabet, parts in (
        ("a" * 160, GSM, 1), ("a" * 161, GSM, 2), ("a" * 306, GSM, 2), ("a" * 307, GSM, 3),
        ("€" * 80, GSM, 1), ("€" * 81, GSM, 2), ("汉" * 70, UCS2, 1), ("汉" * 71, UCS2, 2),
        ("汉" * 134, UCS2, 2), ("汉" * 135, UCS2, 3), ("😀" * 35, UCS2, 1), ("😀" * 36, UCS2, 2), ("", GSM, 1),
    ):  # fmt: skip
        found = measured(text)
        assert (found.alphabet, len(found.parts)) == (alphabet, parts), (text[:3], len(text))
    assert measured("ç").alphabet == UCS2 and measured("Ç").alphabet == GSM


@settings(max_examples=150, deadline=None)
@given(GSM_TEXT.map(lambda text: text.replace("\f", "").replace("\r", "")))
def test_gsm_texts_are_parted_as_another_program_parts_them(text):
    found = measured(text)
    theirs = [part.content for part in smsutil.split(text).parts]
    assert found.alphabet == GSM and list(found.parts) == theirs
    assert encoded(text) == gsm0338.Codec().encode(text)[0] and found.units == len(encoded(text))


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT)
def test_parts_are_the_text_fit_and_cut_no_character(text):
    found = measured(text)
    assert "".join(found.parts) == text
    room = SINGLE_UNITS[found.alphabet] if len(found.parts) == 1 else PART_UNITS[found.alphabet]
    for part in found.parts:
        assert units_of(part, found.alphabet) <= room
        part.encode("utf-16-be")  # half a pair would not encode
    assert found.left_units == room - units_of(found.parts[-1], found.alphabet)
    assert found.units == len(encoded(text)) // (1 if found.alphabet == GSM else 2)


def test_what_people_take_for_one_character_stays_in_one_part():
    for cluster in ("e\u0301\u0323", FAMILY, "👍🏽", "🇨🇳", "😀"):
        for before in range(60, 68):
            parts = measured("汉" * before + cluster + "汉" * 20).parts
            assert sum(cluster in part for part in parts) == 1, (cluster, before)
    parts = measured("a" * 152 + "€" + "b" * 20).parts
    assert parts[0] == "a" * 152 and parts[1].startswith("€")
    long = "e" + "\u0301" * 200  # fits no part: cut between characters
    assert "".join(measured(long).parts) == long


def test_accents_are_composed_before_they_are_counted():
    assert composed("e\u0301\r\n ") == "é" and alphabet_of(composed("e\u0301")) == GSM


@pytest.mark.feature("VC-133")
def test_illegal_characters_and_words_are_found_where_they_stand():
    faults = faults_in("Ｆree 发票 \u202eabc\x00 free\ue000", ["free", "发票"])
    assert [(fault.kind, fault.place) for fault in faults] == [
        ("word", 1), ("word", 6), ("character", 9), ("character", 13), ("word", 15), ("character", 19),
    ]  # fmt: skip
    assert [fault.shown for fault in faults if fault.kind == "character"] == ["U+202E", "U+0000", "U+E000"]
    assert faults_in("Zeile\nзвук €{name}👍", ["spam"]) == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_a_text_without_fields_stays_as_it_is_and_one_with_unknown_ones_is_refused(text):
    try:
        fields = fields_in(text)
    except RefusedError:
        return
    if not fields:
        assert merged(text, {"name": "x"}).text == text


def test_fields_are_put_in_by_both_names_and_missing_ones_are_told():
    one = merged("{姓名}/{name}: {points} {余额}", {"name": "张{三}", "points": ""})
    assert (one.text, one.missing) == ("张{三}/张{三}:  ", ("points", "balance"))
    assert [field.key for field in fields_in("{points}{积分}{ name }")] == ["points", "name"]
    with pytest.raises(RefusedError, match=r"\{nome\}"):
        fields_in("{nome}")
    assert len({field.chinese for field in FIELDS.values()}) == len(FIELDS)
