import pytest

from terminals.workstation import Device, Workstation, WorkstationError, parse_workstation, read_workstation
from terminals.workstation import write_workstation as write

STATION = Workstation(
    "till 12 “东门”",
    (
        Device("stripe", "swipe", "line", "/dev/ttyUSB0", 9600, lrc_tracks=(1, 2)),
        Device("codes", "scanner", "line", "/dev/ttyACM0", 115_200, prefix='\t"A:', card_digits=(16, 19)),
        Device("paper", "printer", "escpos-network", "10.0.0.7:9100", columns=32, flow="xon-xoff"),
        Device("maker", "encoder", "msr605", "/dev/ttyUSB1"),
        Device("faces", "visual", "vc1", "/dev/ttyUSB2", 19_200),
        Device("chip", "chip", "pcsc", "Retail Contact 00 00"),
    ),
)


def test_a_file_says_what_was_set_up(tmp_path):
    write(tmp_path / "w.toml", STATION)

    assert read_workstation(tmp_path / "w.toml") == STATION
    assert [*tmp_path.iterdir()] == [tmp_path / "w.toml"]


def test_everything_that_is_wrong_is_named_at_once():
    with pytest.raises(WorkstationError) as refused:
        parse_workstation(
            """
            workstation = ""
            colour = "red"
            [[devices]]
            name = "a"
            kind = "swipe"
            model = "msr605"
            port = ""
            speed_baud = 9601
            columns = 48
            [[devices]]
            name = "a"
            kind = "toaster"
            model = "x"
            port = "/dev/ttyUSB0"
            [[devices]]
            name = "c"
            kind = "printer"
            model = "escpos-network"
            port = "10.0.0.7:x"
            speed_baud = 9600
            columns = 40
            flow = "dtr"
            """
        )

    assert [problem.field for problem in refused.value.problems] == [
        "colour",
        "workstation",
        "devices[0].model",
        "devices[0].port",
        "devices[0].speed_baud",
        "devices[0].columns",
        "devices[1].kind",
        "devices[2].port",
        "devices[2].speed_baud",
        "devices[2].columns",
        "devices[2].flow",
        "devices",
    ]
    assert "expected one of line for a swipe, got 'msr605'" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("workstation", "file"),
        ("workstation = 1", "workstation"),
        ("workstation = 'a'\ndevices = 1", "devices"),
        ("workstation = 'a'\ndevices = [1]", "devices"),
        ("workstation = 'a'\n[[devices]]", "devices[0].name"),
        ("workstation = 'a'\n" + "[[devices]]\n" * 17, "devices"),
    ],
)
def test_a_file_of_another_shape_is_named(text, field):
    with pytest.raises(WorkstationError) as refused:
        parse_workstation(text)
    assert refused.value.problems[0].field == field


def test_one_port_is_for_one_device():
    twice = Workstation("a", (STATION.devices[0], Device("b", "encoder", "msr605", "/dev/ttyUSB0")))
    with pytest.raises(WorkstationError, match="each port once"):
        parse_workstation(twice.to_toml())


def test_what_cannot_be_used_is_not_written(tmp_path):
    write(tmp_path / "w.toml", STATION)
    with pytest.raises(WorkstationError):
        write(tmp_path / "w.toml", STATION.with_device(Device("x", "swipe", "line", "")))

    assert read_workstation(tmp_path / "w.toml") == STATION


def test_devices_are_added_replaced_and_taken_out():
    other = Device("stripe", "swipe", "line", "/dev/ttyS1")
    changed = STATION.with_device(other)

    assert changed.devices == (other, *STATION.devices[1:])
    assert changed.of_kind("swipe") is other
    assert changed.without_device("stripe").devices == STATION.devices[1:]
    with pytest.raises(WorkstationError, match="stripe"):
        changed.without_device("stripe").device("stripe")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WorkstationError, match="nowhere"):
        read_workstation(tmp_path / "nowhere.toml")


def test_currency_store_and_readers_without_contact_are_kept(tmp_path):
    field = Device("field", "chip", "pcsc", "Reader 01", contactless=True)
    station = Workstation("till", (field,), currency=978, store="Markt 12")
    write(tmp_path / "till.toml", station)

    assert read_workstation(tmp_path / "till.toml") == station
    assert "currency" not in Workstation("till", (field,)).to_toml()
    assert station.without_device("field").with_device(field) == station
    device = '[[devices]]\nname = "a"\nkind = "chip"\nmodel = "pcsc"\nport = ""\n'
    text = f'workstation = "till"\ncurrency = 0\nstore = 7\n{device}'
    with pytest.raises(WorkstationError) as caught:
        parse_workstation(text + "contactless = 1\n")
    assert [problem.field for problem in caught.value.problems] == ["currency", "store", "devices[0].contactless"]
