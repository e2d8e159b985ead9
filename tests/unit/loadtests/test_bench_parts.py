import json
import sys

import pytest

from loadtests import report
from loadtests._generator import Generator
from loadtests.bench import SHAPES, Shape, main, measure_echo
from loadtests.child import Child, ChildError
from loadtests.link import SwitchLink
from loadtests.machine import fdatasync_p50_us, heading
from loadtests.plan import CardRange, RunResult, debit_plan
from switch.protocol.messages import BalanceRequest, MessageType, Reply

RESULT = RunResult(
    answered=1000,
    unsent=0,
    elapsed_s=2.0,
    per_s=500.0,
    cpu_s=0.5,
    code_counts={0: 1000},
    approved_minor_sum=5,
    balance_minor_sum=0,
    points_hundredths_sum=0,
    points_balance_hundredths_sum=0,
    p50_us=100.0,
    p99_us=200.0,
    p999_us=300.0,
    max_us=400.0,
)


def some_figures():
    figures: report.Figures = {"fdatasync_p50_us": 60.0, "decision_aead_ns": None, "rss_1m_cards_bytes": 300_000_000}
    for shape in SHAPES:
        figures |= report.run_figures(f"durable_{shape}", RESULT) | report.run_figures(f"echo_{shape}", RESULT)
        figures |= {
            f"switch_cpu_{shape}_us": 1.0,
            f"ratio_{shape}": 1.0,
            f"generator_cpu_{shape}_us": 0.5,
            f"sync_{shape}_debits": 9.0,
            f"sync_{shape}_mean_us": 70.0,
        }
    return figures | {"lone_p50_us": 220.0, "restart_1m_cards_s": 2.5}


def test_goals_are_met_missed_or_not_measured():
    figures = some_figures()

    assert {goal.name: goal.met(figures) for goal in report.goals(figures)} == {
        "durable_64x64_per_s": False,
        "durable_256x1_per_s": True,
        "lone_p50_us": True,  # 100 of echo, 60 of disk and 60 allowed
        "decision_aead_ns": None,
        "evidence_chip_ns": None,
        "rss_1m_cards_bytes": True,
        "restart_1m_cards_s": False,
        "ratio_standard": None,
    }


def test_the_file_is_one_flat_object_with_the_names_that_were_agreed():
    written = json.loads(report.write_json(some_figures()))

    assert not any(isinstance(value, dict | list) for value in written.values())
    agreed = ["per_s", "p50_us", "p99_us", "p999_us"]
    assert {f"{peer}_{shape}_{name}" for peer in ("durable", "echo") for shape in SHAPES for name in agreed} <= set(
        written
    )
    assert written["goal_restart_1m_cards_s_met"] is False


def test_the_table_has_a_line_per_shape_and_says_when_the_generator_was_the_limit():
    figures = some_figures() | {"echo_256x1_generator_busy": 0.99}

    table = report.table(figures, [str(shape) for shape in SHAPES])

    assert [line.split()[0] for line in table.splitlines()[2:5]] == ["1x1", "256x1", "64x64"]
    assert "the limit of echo at 256x1" in table


def test_the_echo_peer_answers_the_generator(tmp_path):
    with Child(["-m", "loadtests.echo"], tmp_path / "log") as echo:
        result = measure_echo(echo, Shape(4, 8), 162, seconds=0.1)
        echo.stop()

    assert result.answered > 0


def test_a_child_that_ends_early_is_an_error_with_its_last_words(tmp_path):
    with pytest.raises(ChildError, match="no such thing"):
        Child(["-c", "raise SystemExit('no such thing')"], tmp_path / "log")


def test_a_child_shows_its_memory_and_time(tmp_path):
    code = "import sys; print('ready on 127.0.0.1:9', flush=True); sys.stdin.read()"

    with Child(["-c", code], tmp_path / "log") as child:
        assert child.address == ("127.0.0.1", 9)
        assert child.rss_bytes() > 1_000_000
        assert child.rss_children_bytes() == 0
        assert child.cpu_s() >= 0


def test_the_heading_and_the_disk_are_measured(tmp_path):
    assert f"Python {sys.version.split()[0]}" in heading(tmp_path)["software"]
    assert fdatasync_p50_us(tmp_path) > 0


def test_a_link_signs_on_asks_and_hands_its_ciphers_to_the_generator(signing_on_switch):
    address, terminal_id, key = signing_on_switch
    with SwitchLink(address, terminal_id, key) as link:
        reply = link.request(MessageType.BALANCE, BalanceRequest(stamp_ms=1, card_number=12345678))
        assert isinstance(reply, Reply)
        generator = Generator([link.hand_over()], 4)

        result = generator.run(debit_plan(CardRange(12345678, 1), 20_000, 1), duration_s=5, message_count=20)

    assert link.terms.in_flight_max == 64
    assert result.code_counts == {0: 20}


def test_the_bench_refuses_words_it_does_not_know():
    with pytest.raises(SystemExit):
        main(["--no-such-option"])
