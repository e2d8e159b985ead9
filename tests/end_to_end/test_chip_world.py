"""The namespaces that chip cards are tested in: a switch is reached as always, and everything ends with the module."""

import os
from pathlib import Path

import pytest

from terminals.chip.errors import CardServiceError
from terminals.chip.pcsc import list_readers
from tests.support.desk import TILL_ID, TILL_KEY, make_shop
from tests.support.pcsc import CONTACT, CONTACTLESS, ChipWorld, Namespaces, why_not
from tests.support.switch_process import SwitchProcess
from tests.support.till import Till


def test_a_switch_and_readers_are_there_together(chip_world, tmp_path):
    with SwitchProcess(make_shop(tmp_path / "data")) as switch, Till(switch.address, TILL_ID, TILL_KEY) as till:
        assert list_readers() == [CONTACT, CONTACTLESS]
        assert till.terms.business_date > 0


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_nothing_is_left(tmp_path):
    def network():
        return os.readlink("/proc/thread-self/ns/net")

    before, namespaces, world = network(), Namespaces(), ChipWorld(tmp_path)
    try:
        namespaces.enter()
        assert network() != before
        world.start()
        pid = world.pid
        world.stop()
        with pytest.raises(CardServiceError):
            list_readers()
    finally:
        world.stop()
        namespaces.leave()

    assert network() == before
    assert not Path(f"/proc/{pid}").exists()
