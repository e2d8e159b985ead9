"""A signed journal, and the verifier in this process."""

import json
import shutil

import pytest

from cardswitch.receipt import verifier
from tests.support.desk import OTHER_CARD, Desk, make_shop
from tests.support.notarized import sign_to_end, write_public_key

tool = verifier()


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A shop with a few heads, and entries behind the last one that are not signed."""
    path = make_shop(tmp_path_factory.mktemp("signed") / "data")
    for round_number in range(4):
        desk = Desk(path)
        for _ in range(5):
            desk.debit(7, card=OTHER_CARD)
            desk.commit()
        if round_number < 3:
            sign_to_end(path, now_ms=1_000 + round_number)
    return path


@pytest.fixture
def shop(signed, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(signed, tmp_path / "data")


@pytest.fixture
def public_key(tmp_path):
    return write_public_key(tmp_path / "notary.pem")


@pytest.fixture
def run(public_key, capsys):
    """Run the verifier in this process: (exit status, what it printed)."""

    def call(*arguments):
        capsys.readouterr()
        status = tool.main([*map(str, arguments), "--public-key", str(public_key)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


@pytest.fixture
def audit(shop, run):
    """Audit the copy."""
    return lambda *arguments: run("--journal", shop / "journal", *arguments)


@pytest.fixture
def write_proof(tmp_path):
    def write(proof):
        path = tmp_path / "proof.json"
        path.write_text(json.dumps(proof))
        return path

    return write
