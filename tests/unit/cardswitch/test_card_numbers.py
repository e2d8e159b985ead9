import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardswitch.card_numbers import Card, Piece, Selection, pieces, select, successor
from cardswitch.output import CommandError
from terminals.luhn import luhn_digit

FIRST = 6200_0000_0000_0001


def numbers(cards):
    return [card.number for card in cards]


def test_a_range_is_counted_or_ends_at_a_number():
    assert numbers(select((FIRST,), Selection(count=3))) == [FIRST, FIRST + 1, FIRST + 2]
    assert numbers(select((FIRST,), Selection(to=FIRST + 2))) == [FIRST, FIRST + 1, FIRST + 2]
    assert numbers(select((FIRST, FIRST + 9), Selection())) == [FIRST, FIRST + 9]


def test_a_range_with_check_digits_counts_without_them():
    first = 620000000000001 * 10 + luhn_digit("620000000000001")

    chosen = numbers(select((first,), Selection(count=12, check_digit=True)))

    assert [number // 10 for number in chosen] == list(range(620000000000001, 620000000000013))
    assert all(number % 10 == luhn_digit(str(number // 10)) for number in chosen)
    with pytest.raises(CommandError, match="Luhn"):
        select((first + 1,), Selection(count=2, check_digit=True))


def test_the_luhn_digit_is_that_of_the_published_example():
    assert luhn_digit("7992739871") == 3


@pytest.mark.parametrize(
    ("named", "selection", "words"),
    [
        ((), Selection(), "got none"),
        ((FIRST,), Selection(count=2, to=FIRST + 1), "got both"),
        ((FIRST, FIRST + 1), Selection(count=2), "first number"),
        ((FIRST,), Selection(to=FIRST - 1), "at or above"),
        ((FIRST,), Selection(count=0), "1 or more"),
        ((FIRST,), Selection(to=FIRST * 2), "at most 1,000,000"),
        ((FIRST, FIRST), Selection(), "once"),
        ((10**19 - 1,), Selection(count=2), "19 digits"),
    ],
)
def test_a_selection_that_is_none_says_what_to_do(named, selection, words):
    with pytest.raises(CommandError, match=words):
        select(named, selection)


def test_a_list_comes_from_a_file_or_from_standard_input(tmp_path, monkeypatch):
    path = tmp_path / "cards.txt"
    path.write_text(f"# lost on Monday\n{FIRST}\n\n{FIRST + 5}  # found\n")
    assert numbers(select((), Selection(file=path))) == [FIRST, FIRST + 5]

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{FIRST}, {FIRST + 1}\n"))
    assert select((), Selection(file=type(path)("-")), pairs=True) == [Card(FIRST, FIRST + 1)]


def test_every_line_that_cannot_be_read_is_named_and_no_number_is_shown(tmp_path):
    path = tmp_path / "cards.txt"
    path.write_text("12\n6200000000000001\n6200000000000002 6200000000000003\n")

    with pytest.raises(CommandError, match=r"nothing was sent: line 1: .*; line 3: ") as caught:
        select((), Selection(file=path))
    assert "620000" not in str(caught.value)


@given(st.sets(st.integers(10**7, 10**7 + 400), max_size=300))
def test_pieces_are_the_cards_in_messages_of_at_most_64(chosen):
    cut = list(pieces(Card(number) for number in sorted(chosen)))

    assert [number + n for number, count, _ in cut for n in range(count)] == sorted(chosen)
    assert all(1 <= piece.card_count <= 64 for piece in cut)


def test_pairs_are_messages_of_their_own():
    assert list(pieces([Card(FIRST), Card(FIRST + 1, 7), Card(FIRST + 2)])) == [
        Piece(FIRST, 1),
        Piece(FIRST + 1, 1, 7),
        Piece(FIRST + 2, 1),
    ]
    assert successor(FIRST, check_digit=False) == FIRST + 1
