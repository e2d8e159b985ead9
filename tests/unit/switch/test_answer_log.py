"""Which of its answers a terminal finds again at day close: all of a date, each once, nobody else's."""

import random

import pytest

from switch._projection import load_answers
from switch.duplicates import AnswerWindow

TODAY = 20_000
REVERSES = 1


class Model:
    """The same in dictionaries: by date, key to position, or to None for a note without an answer."""

    def __init__(self) -> None:
        self.today = 0
        self.dates: dict[int, dict[tuple[int, int], int | None]] = {}

    def start_at(self, today: int) -> None:
        self.today = today
        self.dates = {date: self.dates.get(date, {}) for date in (today - 1, today)}

    def remember(self, date: int, key: tuple[int, int], position: int) -> None:
        if date in self.dates and self.dates[date].get(key) is None:
            self.dates[date].pop(key, None)  # answered now: last in the order of answering
            self.dates[date][key] = position

    def note(self, date: int, key: tuple[int, int]) -> None:
        if date in self.dates:
            self.dates[date].setdefault(key, None)

    def positions_of(self, date: int, terminal: int) -> list[int]:
        answers = self.dates.get(date, {})
        return [at for (owner, _), at in answers.items() if owner == terminal and at is not None]


def operation(key: tuple[int, int], value: int) -> bytes:
    terminal, trace = key
    return (terminal << 32 | trace).to_bytes(8, "little") + value.to_bytes(8, "little")


@pytest.mark.parametrize("seed", range(20))
def test_the_list_of_a_terminal_is_what_a_dictionary_says(seed):
    choice = random.Random(seed)
    window, model = AnswerWindow(1000), Model()
    window.start_at(TODAY)
    model.start_at(TODAY)
    position = 8
    for _ in range(3000):
        date = model.today - choice.randrange(3)
        key = choice.choice([0, 1, 7, 2**32 - 1]), choice.randrange(1, 300)
        match choice.choices(["answer", "note", "again", "date"], [60, 20, 20, 0.2])[0]:
            case "answer":
                position += 8 * choice.randrange(1, 50)
                load_answers(window, date, operation(key, position))
                model.remember(date, key, position)
            case "note":
                load_answers(window, date, operation(key, position | REVERSES))
                model.note(date, key)
            case "again":
                known = [(key, at) for key, at in model.dates.get(date, {}).items() if at is not None]
                for again, at in choice.sample(known, min(3, len(known))):
                    load_answers(window, date, operation(again, at))
            case "date":
                model.start_at(model.today + choice.choice([1, 1, 2, 30]))
                window.start_at(model.today)
    for date in range(model.today - 3, model.today + 2):
        for terminal in (0, 1, 7, 8, 2**32 - 1):
            assert window.positions_of(date, terminal) == model.positions_of(date, terminal)


def test_a_note_is_listed_when_its_late_original_is_answered_and_then_once():
    window = AnswerWindow(10)
    window.start_at(TODAY)
    load_answers(window, TODAY, operation((7, 1), 800 | REVERSES))

    before = window.positions_of(TODAY, 7)
    load_answers(window, TODAY, operation((7, 1), 1600))
    load_answers(window, TODAY, operation((7, 1), 1600))

    assert (before, window.positions_of(TODAY, 7)) == ([], [1600])


def test_more_answers_than_the_maximum_are_kept_when_the_journal_has_them():
    window = AnswerWindow(1)
    window.start_at(TODAY)
    positions = [8 * n for n in range(1, 20_001)]
    load_answers(window, TODAY, b"".join(operation((7, n), at) for n, at in enumerate(positions, 1)))

    assert window.positions_of(TODAY, 7) == positions


def test_dates_swap_and_an_emptied_list_fills_again():
    window = AnswerWindow(10)
    window.start_at(TODAY)
    load_answers(window, TODAY, operation((7, 1), 8))
    window.start_at(TODAY + 1)
    load_answers(window, TODAY + 1, operation((7, 1), 16))
    assert [window.positions_of(TODAY + days, 7) for days in (0, 1)] == [[8], [16]]

    window.start_at(TODAY + 2)
    load_answers(window, TODAY + 2, operation((7, 9), 24))

    assert [window.positions_of(TODAY + days, 7) for days in (0, 1, 2)] == [[], [16], [24]]
