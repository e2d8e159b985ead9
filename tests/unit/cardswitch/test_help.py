"""Every command of a running switch explains itself, and its examples can be typed as they stand."""

import re
import shlex
import subprocess
import sys

import pytest

from cardswitch.__main__ import BRANCHES, add_branches, needed_branches

app = add_branches()
GROUPS = (
    *("card", "type", "rules", "organisation", "store", "terminal", "points", "gift", "price", "day", "plug-ins"),
    *("medium", "policy", "travel", "alarm", "migrate"),
    "device",
)


def commands_of(group, words):
    for name in group:
        if not name.startswith("-"):
            command = group[name]
            if command.default_command is None:
                yield from commands_of(command, (*words, name))
            else:
                yield (*words, name)


COMMANDS = [words for name in GROUPS for words in commands_of(app[name], (name,))]


OWN = [("init",), ("serve",), ("demo",), ("verify",), ("journal",), ("journal", "show"), ("replay",)]
OWN += [("replay", "shopping-year")]


def help_of(words, capsys):
    app([*words, "--help"], result_action="return_value")
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "branches"),
    [
        ("serve --data build/mine", ()),
        ("card show 62", ("card",)),
        ("plug-ins list", ("plug-ins",)),
        ("--version", ()),
    ]
    + [(words, None) for words in ("", "--help", "-h", "crad show 62")],
)
def test_a_command_line_imports_its_own_branch_and_help_imports_all(words, branches):
    assert [*needed_branches(words.split())] == [*(BRANCHES if branches is None else branches)]


def test_a_switch_that_serves_imports_no_operator_command():
    code = "import sys, cardswitch.__main__ as m; m.add_branches(m.needed_branches(['serve'])); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in modules if name.startswith("cardswitch.")] == ["cardswitch.__main__"]


def test_there_are_commands_in_every_group():
    assert {words[0] for words in COMMANDS} == {*GROUPS}
    assert len(COMMANDS) > 70


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_of_the_command_that_can_be_parsed(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    text = help_of(words, capsys)

    assert "For example:" in text
    after = text.split("For example:\n")[1]
    examples = [shlex.split(line.split(" > ")[0]) for line in re.findall(r"^ +cardswitch (.*)$", after, re.M)]
    assert any(tuple(example[: len(words)]) == words for example in examples)
    for example in examples:
        app.parse_args(example, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", [(name,) for name in GROUPS] + [("card", "pin"), ("device", "card")], ids=" ".join)
def test_help_of_a_group_has_an_example(words, capsys):
    assert "For example:" in help_of(words, capsys)


@pytest.mark.parametrize("words", OWN, ids=" ".join)
def test_help_of_a_data_directory_has_an_example(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    example = re.search(r"^ +cardswitch (.*)$", help_of(words, capsys), re.M)

    assert example is not None
    app.parse_args(shlex.split(example[1]), exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_calls_amounts_and_dates_by_their_names(words, capsys):
    assert not re.search(r"--(date|[a-z]+-date|time|value|amount|single|received) +(INT|STR)", help_of(words, capsys))


@pytest.mark.parametrize("name", GROUPS)
def test_commands_of_a_running_switch_are_not_called_those_of_a_directory(name, capsys):
    assert "data directory ─" not in help_of((name,), capsys)


def test_the_first_help_is_one_screen_and_grouped(capsys):
    text = help_of((), capsys)

    assert "A switch and its data directory" in text
    assert "On a running switch" in text
    assert text.count("\n") < 56
