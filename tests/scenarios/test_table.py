import pytest

from .table import COLUMNS, TableError, number, parse

GOOD = """
Words for the reader.

== A card pays

given zone Europe/Berlin start=2026-05-11
given card A balance=10

time   message  card  trace  amount  code      balance  points
09:00  debit    A     1      10      APPROVED  0        0       earned=0 lines=5,5  # all of it
"""


def test_a_table_is_read_by_cell_and_option():
    (scenario,) = parse(GOOD)

    assert scenario.sentence == "A card pays"
    assert [(given.kind, given.name) for given in scenario.givens] == [("zone", "Europe/Berlin"), ("card", "A")]
    assert tuple(scenario.steps[0].cells) == COLUMNS
    assert scenario.steps[0].cells["code"] == "APPROVED"
    assert scenario.steps[0].options == {"earned": "0", "lines": "5,5"}


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("debit    A", "debit   A ", "column 'card' does not begin under its heading"),
        ("  0       earned", "          earned", "column 'points'"),
        ("earned=0", "earned", "expected name=value"),
        ("time   message", "time   massage", "expected the headings"),
        ("== A card pays", "== Nothing happens\n== A card pays", "a scenario without a step"),
        ("time   message  card  trace  amount  code      balance  points\n", "", "a row before the headings"),
    ],
)
def test_a_table_that_is_out_of_line_is_refused(before, after, complaint):
    assert before in GOOD

    with pytest.raises(TableError, match=complaint):
        parse(GOOD.replace(before, after))


@pytest.mark.parametrize(
    ("text", "value"),
    [("100", 100), ("-1", -1), ("0x14", 20), ("10^12+1", 10**12 + 1), ("2^63-1", 2**63 - 1), ("-2^63", -(2**63))],
)
def test_numbers_may_be_written_as_powers(text, value):
    assert number(text) == value
