"""Custom rules: asked about every sale, credited once, and never more than a nuisance."""

import asyncio
import dataclasses

import pytest

from switch.protocol.messages import BillLine, LineResult, MessageType
from terminals._clock import SYSTEM
from terminals._plug_in_child import find_rule
from terminals.journal_feed import JournalFeed, JournalFeedError
from terminals.plug_in_process import PlugInFailedError, PlugInProcess
from terminals.plug_in_state import StateFile, StateFileError
from terminals.plug_ins import PlugInRunner, reference_of
from tests.support.fake_journal import CARD, SATURDAY, FakeJournal, FakeSwitch

RULES = "tests.support.custom_rules"
APPLES = BillLine(item=1, amount_minor=1_250, department=7, quantity_milli=1_000)
SOAP = BillLine(item=2, amount_minor=300, department=2)


async def no_pause(_: float) -> None:
    return None


@pytest.fixture
def journal():
    return FakeJournal()


def follow(switch, path, *rules, time_limit_ms=5_000, from_beginning=True):
    """One run up to the journal's end: (number of sales, counts by rule, what was reported)."""

    async def whole():
        reports: list[str] = []
        state_file = StateFile(path)
        plug_ins = [PlugInProcess(rule, f"{RULES}:{rule}", time_limit_ms=time_limit_ms) for rule in rules]
        surroundings = dataclasses.replace(SYSTEM, sleep_ms=no_pause)
        runner = PlugInRunner(switch, plug_ins, state_file, reports.append, surroundings)
        try:
            await runner.begin(from_beginning=from_beginning)
            return await runner.catch_up(), runner.counts, reports
        finally:
            for plug_in in plug_ins:
                await plug_in.stop()
            state_file.close()

    return asyncio.run(whole())


@pytest.mark.parametrize("piece_bytes", [1, 77, 1_000, 65_000])
@pytest.mark.feature("HD-131")
def test_every_approved_debit_is_asked_about_however_the_bytes_come(journal, tmp_path, piece_bytes):
    journal.block(journal.debit(1_550, (APPLES, SOAP)), journal.debit(900, (SOAP,), code=51))
    journal.block(journal.debit(300, (SOAP,), code=10), journal.debit(300, (SOAP,), type_=MessageType.QUOTE))
    switch = FakeSwitch(journal, piece_bytes=piece_bytes)
    sale_count, counts, reports = follow(switch, tmp_path / "state", "one_more")
    assert (sale_count, counts["one_more"].sales, counts["one_more"].credited) == (2, 2, 2)
    assert switch.points == {0: 300}
    assert reports == []


def test_a_rule_sees_bill_card_and_clock(journal, tmp_path):
    lines = (APPLES, SOAP)
    results = (LineResult(discount_minor=250), LineResult())
    journal.block(journal.debit(1_300, lines, results), journal.debit(1_300, lines, business_date=SATURDAY + 1))
    switch = FakeSwitch(journal)
    follow(switch, tmp_path / "state", "weekend_fruit")
    assert switch.points == {0: 100, 3: 1_000}


def test_lines_priced_by_the_switch_have_their_amounts(journal, tmp_path):
    weighed = BillLine(item=1, amount_minor=0, department=7, quantity_milli=1_500)
    journal.block(journal.debit(1_500, (weighed,), (LineResult(unit_price_minor=333),)))
    switch = FakeSwitch(journal)
    follow(switch, tmp_path / "state", "weekend_fruit")
    assert switch.points[3] == 500  # 499.5 rounded half up


def test_a_later_start_goes_on_and_a_lost_state_credits_nothing_twice(journal, tmp_path):
    journal.block(journal.debit(300, (SOAP,)))
    switch = FakeSwitch(journal)
    follow(switch, tmp_path / "state", "one_more")
    journal.block(journal.debit(300, (SOAP,)))
    assert follow(switch, tmp_path / "state", "one_more")[0] == 1
    sale_count, counts, _ = follow(switch, tmp_path / "other", "one_more")
    assert (sale_count, counts["one_more"].credited, counts["one_more"].repeated) == (2, 0, 2)
    assert switch.points == {0: 200}


def test_a_first_start_begins_at_the_end(journal, tmp_path):
    journal.block(journal.debit(300, (SOAP,)))
    switch = FakeSwitch(journal)
    assert follow(switch, tmp_path / "state", "one_more", from_beginning=False)[0] == 0
    journal.block(journal.debit(300, (SOAP,)))
    assert follow(switch, tmp_path / "state", "one_more")[0] == 1


@pytest.mark.parametrize(
    ("rule", "failed", "overran"), [("failing", 1, 0), ("slow", 0, 1), ("dying", 1, 0)], ids=lambda value: str(value)
)
def test_a_sale_that_a_rule_cannot_handle_is_skipped_and_reported(journal, tmp_path, rule, failed, overran):
    journal.block(*(journal.debit(amount, (SOAP,)) for amount in (300, 301, 302)))
    switch = FakeSwitch(journal)
    sale_count, counts, reports = follow(switch, tmp_path / "state", rule, "one_more", time_limit_ms=1_000)
    assert sale_count == counts[rule].sales == 3
    assert (counts[rule].credited, counts[rule].failed, counts[rule].overran) == (2, failed, overran)
    assert counts["one_more"].credited == 3
    assert len(reports) == 1
    assert "sale 2 was skipped" in reports[0] and rule in reports[0]
    assert str(CARD) not in reports[0]


@pytest.mark.parametrize("rule", ["hungry", "fractional", "category_64", "too_much", "beyond_64_bits"])
def test_an_answer_that_is_none_grants_nothing(journal, tmp_path, rule):
    journal.block(journal.debit(300, (SOAP,)))
    switch = FakeSwitch(journal)
    _, counts, reports = follow(switch, tmp_path / "state", rule)
    assert (counts[rule].failed, len(reports), switch.points) == (1, 1, {})


def test_what_a_rule_prints_disturbs_nothing(journal, tmp_path):
    journal.block(journal.debit(300), journal.debit(300))
    switch = FakeSwitch(journal)
    assert follow(switch, tmp_path / "state", "talkative")[1]["talkative"].credited == 2


def test_a_switch_that_is_away_is_waited_for_and_asked_again(journal, tmp_path):
    journal.block(journal.debit(300, (SOAP,)))
    switch = FakeSwitch(journal)
    switch.away_count = 2
    _, counts, reports = follow(switch, tmp_path / "state", "one_more")
    assert (switch.points, counts["one_more"].repeated, len(reports)) == ({0: 100}, 1, 2)


def test_a_credit_that_the_switch_refuses_is_reported_and_left(journal, tmp_path):
    journal.block(journal.debit(1_250, (APPLES,)))
    switch = FakeSwitch(journal)
    switch.refused = {3}
    _, counts, reports = follow(switch, tmp_path / "state", "weekend_fruit")
    assert (counts["weekend_fruit"].credited, counts["weekend_fruit"].refused) == (1, 1)
    assert "CATEGORY_UNKNOWN" in reports[0] and str(CARD) not in reports[0]


def test_references_differ_by_plug_in_sale_and_category():
    references = {reference_of(name, sale, category) for name in "ab" for sale in (1, 2) for category in (0, 1)}
    assert len(references) == 8
    assert {len(reference) for reference in references} == {16}


# ------------------------------------------------------------------------- rules that are none


def test_a_rule_is_found_by_its_entry_point(monkeypatch):
    class Point:
        @staticmethod
        def load():
            return len

    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group, name: [Point] if name == "fruit" else [])
    found: object = find_rule("fruit")
    assert found is len
    with pytest.raises(LookupError, match="no entry point 'bread'"):
        find_rule("bread")


@pytest.mark.parametrize("target", [f"{RULES}:missing", f"{RULES}:NO_RULE", "no.such.module:points", "nothing"])
def test_a_rule_that_cannot_be_found_is_named_at_the_start(target):
    async def start():
        plug_in = PlugInProcess("wrong", target)
        with pytest.raises(PlugInFailedError, match="plug-in wrong: expected a rule at"):
            await plug_in.start()

    asyncio.run(start())


# ------------------------------------------------------------------------- journal and state


def drain(feed, reply):
    return [entry for entries in feed.take(reply) for entry in entries]


def test_a_block_that_was_altered_is_refused(journal):
    journal.block(journal.debit(300))
    journal.content = journal.content[:-1] + bytes([journal.content[-1] ^ 1])
    with pytest.raises(JournalFeedError, match="its own hash"):
        drain(JournalFeed(), journal.read(0, 65_000))


def test_a_block_of_another_chain_is_refused(journal):
    journal.block(journal.debit(300))
    with pytest.raises(JournalFeedError, match="another chain"):
        drain(JournalFeed(0, b"x" * 32), journal.read(0, 65_000))


def test_a_position_in_the_middle_of_a_block_is_refused(journal):
    journal.block(journal.debit(300))
    with pytest.raises(JournalFeedError, match="expected a block at position 8"):
        drain(JournalFeed(8), journal.read(8, 65_000))


def test_the_unused_end_of_a_segment_is_skipped(journal):
    journal.block(journal.debit(300))
    feed = JournalFeed()
    assert len(drain(feed, journal.read(0, 65_000))) == 1
    end = len(journal.content)
    journal.content += bytes(1_000)
    journal.block(journal.debit(300))
    assert len(drain(feed, journal.read(end + 1_000, 65_000))) == 1
    assert feed.wanted_position == feed.position == len(journal.content)


def test_bytes_that_leave_out_some_of_a_block_are_refused(journal):
    journal.block(journal.debit(300))
    feed = JournalFeed()
    assert drain(feed, journal.read(0, 200)) == []
    with pytest.raises(JournalFeedError, match="expected position 200, got 201"):
        drain(feed, journal.read(201, 200))


def test_a_state_file_has_one_user(tmp_path):
    first = StateFile(tmp_path / "state")
    with pytest.raises(StateFileError, match="only user"):
        StateFile(tmp_path / "state")
    first.close()
    StateFile(tmp_path / "state").close()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"position":1,"block_hash":"xy"}', b'{"position":-'])
def test_a_damaged_state_file_is_refused(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    state_file = StateFile(tmp_path / "state")
    with pytest.raises(StateFileError, match="move it away"):
        state_file.load()
    state_file.close()
