import os
import stat

import pytest

from switch._directory import (
    DirectoryError,
    Settings,
    create_directory,
    open_directory,
    write_secret,
)
from switch._recover import tables_of
from switch.protocol.records import RecordKind, record_bytes

KEY = b"o" * 32


@pytest.fixture
def path(tmp_path):
    create_directory(tmp_path / "data", Settings(segment_bytes=1 << 20), KEY, 1)
    return tmp_path / "data"


def change_settings(path, old, new):
    settings = path / "switch.toml"
    content = settings.read_text()
    assert old in content
    settings.write_text(content.replace(old, new))


def test_settings_are_read_back_as_they_were_chosen(tmp_path):
    chosen = Settings(partition=3, segment_bytes=2 << 20, cards_max=77, checkpoint_interval_s=9)

    create_directory(tmp_path / "data", chosen, KEY, 1)

    assert open_directory(tmp_path / "data").settings == chosen


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("partition = 0", "partition = 0\nsegmentbytes = 1", "segmentbytes"),
        ("partition = 0", 'partition = "zero"', "Expected `int`, got `str` - at `$.partition`"),
        ("partition = 0", "partition = 0.5", "Expected `int`, got `float` - at `$.partition`"),
        ("partition = 0", "partition 0", "line 1"),
        ("cards_max = 10000000", "cards_max = ten", "line 3"),
    ],
    ids=["unknown", "text", "fraction", "syntax", "word"],
)
def test_a_wrong_line_of_the_settings_is_named(path, old, new, words):
    change_settings(path, old, new)

    with pytest.raises(DirectoryError) as refusal:
        open_directory(path)

    assert str(path / "switch.toml") in str(refusal.value)
    assert words in str(refusal.value)
    assert "correct the line" in str(refusal.value)


@pytest.mark.parametrize("line", ["cards_max = -5", "partition = -1", "segment_bytes = 4097", "stores_max = 0"])
def test_a_setting_out_of_its_bounds_is_named(path, line):
    name = line.split()[0]
    old = next(old for old in (path / "switch.toml").read_text().splitlines() if old.startswith(name))
    change_settings(path, old, line)

    with pytest.raises(DirectoryError, match=name):
        open_directory(path)


def test_settings_from_before_there_were_other_bounds_are_read_with_their_defaults(path):
    file = path / "switch.toml"
    kept = ("partition", "segment_bytes", "cards_max", "terminals_max", "stores_max")
    file.write_text("\n".join(line for line in file.read_text().splitlines() if line.startswith(kept)))

    bounds = open_directory(path).settings

    assert bounds == Settings(segment_bytes=1 << 20)
    assert (bounds.holds_max, bounds.marks_max, bounds.organisations_max) == (1_000_000, 50_000_000, 65_536)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cards_max", RecordKind.ACCOUNT),
        ("terminals_max", RecordKind.TERMINAL),
        ("stores_max", RecordKind.STORE),
        ("organisations_max", RecordKind.ORGANISATION),
        ("purses_max", RecordKind.PURSE),
        ("holds_max", RecordKind.HOLD),
        ("pending_points_max", RecordKind.PENDING_POINTS),
        ("marks_max", RecordKind.MARK),
        ("card_limits_max", RecordKind.CARD_LIMIT),
        ("rules_max", RecordKind.RULE),
        ("prices_max", RecordKind.PRICE),
        ("day_closes_max", RecordKind.DAY_CLOSE),
        ("media_max", RecordKind.MEDIUM),
        ("card_keys_max", RecordKind.CARD_KEY),
        ("alarms_max", RecordKind.ALARM),
    ],
)
def test_each_bound_reaches_its_table(name, kind):
    tables = tables_of(Settings(**{name: 1}))
    one, other = (bytes([kind]) + bytes(7) + number.to_bytes(8, "little") for number in (1, 2))
    tables.load([one.ljust(record_bytes(kind), b"\0")])

    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([other.ljust(record_bytes(kind), b"\0")])


def test_a_directory_that_nobody_has_initialized_is_refused_with_the_command_that_does(tmp_path):
    with pytest.raises(DirectoryError, match=f"make one with: cardswitch init --data {tmp_path}"):
        open_directory(tmp_path)


def test_a_directory_with_anything_in_it_is_not_initialized(tmp_path):
    (tmp_path / "something").touch()

    with pytest.raises(DirectoryError, match="expected an empty directory, got one with files"):
        create_directory(tmp_path, Settings(), KEY, 1)

    assert [file.name for file in tmp_path.iterdir()] == ["something"]


def test_secrets_are_readable_by_their_owner_only(path):
    assert stat.S_IMODE((path / "operator.key").stat().st_mode) == 0o600


def test_a_secret_is_never_written_over(tmp_path):
    write_secret(tmp_path / "secret", "first\n")

    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "secret", "second\n")

    assert (tmp_path / "secret").read_text() == "first\n"


# ------------------------------------------------------------------------ lock


def test_a_second_lock_is_refused_and_names_the_first_process(path):
    first = open_directory(path).lock()
    try:
        with pytest.raises(DirectoryError, match=f"got one running as process {os.getpid()}; stop that one first"):
            open_directory(path).lock()
    finally:
        os.close(first)


def test_a_lock_that_was_given_up_can_be_taken_again(path):
    os.close(open_directory(path).lock())

    again = open_directory(path).lock()

    os.close(again)
    assert (path / "lock").read_text() == f"{os.getpid()}\n"
