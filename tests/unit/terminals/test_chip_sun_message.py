"""The address that a tag shows, with the example of NXP's AN12196."""

import pytest

from hsm.sun import check_tag, decipher_picc_data
from terminals.chip.errors import AppletMissingError
from terminals.chip.sun_message import SunMessageError, parse_sun_url, parse_uri_record, read_tag_url

PICC_DATA, MAC = "EF963FF7828658A599F3041510671E88", "94EED9EE65337086"
URL = f"https://tag.example/ic?picc_data={PICC_DATA}&cmac={MAC}"


def test_the_example_of_the_application_note_is_taken_apart_and_genuine():
    message = parse_sun_url(URL)

    reading = decipher_picc_data(bytes(16), message.picc_data)

    assert (reading.uid.hex(), reading.read_counter) == ("04de5f1eacc040", 61)
    assert check_tag(bytes(16), reading, message.mac)
    assert parse_sun_url(f"https://tag.example?e={PICC_DATA.lower()}&c={MAC}&x=1") == message


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://tag.example",
        "http://[",
        f"https://tag.example?picc_data={PICC_DATA}",
        f"https://tag.example?picc_data={PICC_DATA}&cmac={MAC[2:]}",
        f"https://tag.example?picc_data={PICC_DATA}&cmac={MAC}&c={MAC}",
        f"https://tag.example?picc_data={PICC_DATA[:-1]}G&cmac={MAC}",
        f"{URL}&pad={'x' * 512}",
        URL + "&a=1" * 32,
    ],
)
def test_another_address_is_refused(url):
    with pytest.raises(SunMessageError, match="tag: expected"):
        parse_sun_url(url)


class Tag:
    """An NTAG 424: NDEF application, file E104 with length and message."""

    def __init__(self, message):
        self.file = len(message).to_bytes(2, "big") + message

    def exchange(self, command):
        if command[:2] == b"\x00\xa4":
            known = (bytes.fromhex("D2760000850101"), bytes.fromhex("E104"))
            return b"\x90\x00" if command[5 : 5 + command[4]] in known else b"\x6a\x82"
        offset, count = int.from_bytes(command[2:4], "big"), command[4] or 256
        return self.file[offset : offset + count] + b"\x90\x00"


def record(url, prefix=4):
    payload = bytes([prefix]) + url.encode()
    return bytes([0xD1, 1, len(payload)]) + b"U" + payload


def test_a_tag_is_read_in_pieces():
    long = URL + "&text=" + "x" * 100
    tag = Tag(record(long.removeprefix("https://")))

    assert read_tag_url(tag) == long


@pytest.mark.parametrize("message", [b"", b"\xd1", record("a")[:-1], record("a", 5), b"\xd2" + record("a")[1:]])
def test_another_message_is_refused(message):
    with pytest.raises(SunMessageError, match="tag: expected"):
        read_tag_url(Tag(message))


def test_a_tag_torn_away_is_noticed():
    tag = Tag(record("tag.example"))
    tag.file = tag.file[:-3]

    with pytest.raises(SunMessageError, match="hold it still"):
        read_tag_url(tag)


def test_a_card_without_ndef_is_no_tag():
    class Stranger:
        def exchange(self, command):
            return b"\x6a\x82"

    with pytest.raises(AppletMissingError):
        read_tag_url(Stranger())


def test_prefixes_are_written_out():
    assert parse_uri_record(record("a.example", 0)) == "a.example"
    assert parse_uri_record(record("a.example", 2)) == "https://www.a.example"
