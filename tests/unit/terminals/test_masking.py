import pytest

from terminals.masking import mask


@pytest.mark.parametrize(
    ("card_number", "shown"),
    [
        (9999_0100_0001_4533, "999901******4533"),
        ("9999010000014533", "999901******4533"),
        (12345678, "********"),
        (123456789012, "************"),
        (1234567890123, "123456***0123"),
        (1234567890123456789, "123456*********6789"),
        ("99990100000145E3", "****************"),
        ("９９９９０１００００１４５３３", "***************"),
        ("", ""),
        (-12345678901234567, "******************"),
    ],
)
def test_first_six_and_last_four_are_shown_and_what_is_not_understood_is_hidden_whole(card_number, shown):
    assert mask(card_number) == shown
