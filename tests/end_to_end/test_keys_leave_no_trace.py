"""No key of a running switch stands in its core dump, its journal, its balance store or its logs.

Terminals' keys are left out: a handshake has them in ordinary memory for as long as it lasts, and so has who sends a
new one; they are of use for one terminal each, and renewed while it works.
"""

import os

import pytest

from cardswitch.key_house import KeyHouse, read_passphrase
from hsm.key_states import Purpose
from hsm.software import SoftwareBackend
from switch._directory import open_directory
from tests.support.key_shop import KeyShop

PAGE_BYTES = 4096
EMPTY_PAGE = bytes(PAGE_BYTES)
CLEAR_PIN = b"314159265358"
PURPOSES = ("chip", "code", "jitter", "stripe", "tag")


def mapped(pid):
    """Address ranges and flags of a process's memory that may be written."""
    with open(f"/proc/{pid}/smaps") as file:
        found = []
        for line in file:
            first, _, rest = line.partition(" ")
            if "-" in first and not first.endswith(":"):
                start, end = (int(part, 16) for part in first.split("-"))
                rights = rest.split(" ")[0]
            elif first == "VmFlags:":
                found.append((start, end, rights, rest.split()))
    return found


def without_empty_pages(content):
    """Tables that wait for their cards are nothing to search."""
    pages = (content[at : at + PAGE_BYTES] for at in range(0, len(content), PAGE_BYTES))
    return b"".join(page for page in pages if page != EMPTY_PAGE)


def core_of(pid):
    """What a core dump would hold, range by range: all that may be written and is not excluded from dumps."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, rights, flags in mapped(pid):
            if rights.startswith("rw") and "dd" not in flags:
                try:
                    yield f"{start:x}", without_empty_pages(os.pread(memory.fileno(), end - start, start))
                except OSError:  # gone in between
                    continue


def keys_of(data):
    """Every key by name: the keyring's, and those that the keystore keeps."""
    house = KeyHouse.open(open_directory(data).keys, read_passphrase)
    try:
        assert isinstance(house.backend, SoftwareBackend)
        found = {}
        for entry in house.keyring.entries:
            slot, _ = house.take(entry.purpose, entry.version)
            found[f"{entry.purpose.name} {entry.version}"] = bytes(slot)
            slot.wipe()
        for (use, version), key in house.backend._keys.items():
            found[f"{use.name} {version}"] = bytes(key.slot)
        found["sealing key"] = bytes(house.backend._sealing_key)
        return found
    finally:
        house.close()


def found_in(content, keys):
    """Names of the keys that stand in it: as they are, in hexadecimal, or a half of them (a stripe's key is a pair)."""
    text = content.lower()
    return {
        name
        for name, key in keys.items()
        for part in (key[: len(key) // 2], key[len(key) // 2 :])
        if part in content or part.hex().encode() in text
    }


@pytest.fixture
def shop(tmp_path):
    shop = KeyShop(tmp_path)
    yield shop
    shop.close()


@pytest.mark.feature("HD-140")
def test_no_key_stands_in_core_journal_store_or_logs(shop):
    for name in PURPOSES:
        for _ in range(3):
            shop.keys("rotate", name, "--to", 1)
    for _ in range(2):
        shop.keys("rotate", "chip", "--to", 2)  # loaded by the running switch
    masters = {version: shop.master(Purpose.CHIP, version) for version in (1, 2)}
    for lane in shop.lanes:
        lane.chips = shop.chips(2, masters) + shop.chips_with_own_keys(2)
        lane.phones = shop.phones(2, shop.master(Purpose.CODE, 1), 1)
    with shop.load.running():
        shop.load.sell_on()
        keys = keys_of(shop.data)
        shop.set_pin(shop.lanes[0].chips[0].card_number, CLEAR_PIN)
        assert shop.pay_with_pin(shop.lanes[0].chips[0].card_number, CLEAR_PIN)[1].code == 0
        own = {
            f"own key of chip {chip.uid}": chip.keys[1] for lane in shop.lanes for chip in lane.chips if chip.stored_key
        }
        on_disk = keys | own | {"clear PIN": CLEAR_PIN}
        assert {name.split()[0] for name in keys} >= {"STORAGE", "PIN", "STRIPE", "KEK", "LOG", "SIGN", "sealing"}
        core = list(core_of(shop.switch.pid))
    assert any(str(shop.data).encode() in content for _, content in core)  # or the search itself would prove nothing
    assert {name: found for name, content in core if (found := found_in(content, keys))} == {}

    shop.switch.terminate()  # brings the balance store up
    assert shop.switch.wait() == 0
    searched = set()
    for path in [*shop.folder.rglob("*")]:
        if path.is_file():
            assert found_in(without_empty_pages(path.read_bytes()), on_disk) == set(), path
            searched.add(f"{path.parent.name}/{path.name}")
    assert {"ledger/data.mdb", "keys/keyring", "keys/key.log"} <= searched
    assert any(name.startswith("journal/") for name in searched)
    shop.switch.start()
    core = list(core_of(shop.switch.pid))  # right after the start: what loading has left behind
    assert {name: found for name, content in core if (found := found_in(content, keys))} == {}
