"""Making and clearing cards: what is refused, what is noticed, and that a live key stays away from training cards."""

import pytest

from terminals.chip.applet import CardFigures, CardKind, CardState
from terminals.chip.errors import AppletMissingError, CardBlockedError
from terminals.chip.personalise import (
    CardMismatchError,
    CardNotBlankError,
    IssuerKey,
    LiveKeyError,
    Proof,
    check_card,
    clear_card,
    make_card,
)
from terminals.chip.training_key import TrainingKeyError, read_training_key, write_training_key
from terminals.chip.virtual_card import CardGone
from tests.unit.terminals.chip import CHAIN, KEY, MASTER_KEY, NUMBER, UID, Wire, blank, made

ISSUER = IssuerKey(1, MASTER_KEY, is_live=False)
PROOF = Proof(bytes(8), 1_795_000_000)


def test_a_blank_card_gets_its_own_key_number_and_chain_and_proves_it():
    wire = Wire(blank())

    figures = make_card(wire, ISSUER, NUMBER, CHAIN, PROOF)

    assert figures == CardFigures(CardState.ISSUED, CardKind.TRAINING, 1, 1, CHAIN, UID)
    memory = wire.memory.load()
    assert (memory.key, memory.card_number) == (KEY.hex(), NUMBER)


def test_a_live_key_does_not_get_onto_a_training_card_unless_it_is_said_to():
    wire, live = Wire(blank()), IssuerKey(1, MASTER_KEY, is_live=True)

    with pytest.raises(LiveKeyError, match="expected a training key"):
        make_card(wire, live, NUMBER, CHAIN, PROOF)
    assert wire.memory.stored == [blank()]
    make_card(wire, live, NUMBER, CHAIN, PROOF, allow_live_key_on_training_card=True)
    assert wire.memory.load().key == KEY.hex()


def test_a_card_that_is_somebodys_is_not_made_anew():
    wire = Wire()

    with pytest.raises(CardNotBlankError, match="ISSUED"):
        make_card(wire, ISSUER, NUMBER + 9, CHAIN, PROOF)

    assert wire.memory.stored == [made()]


def test_making_is_repeated_when_only_the_answer_was_lost():
    wire = Wire(blank(), "cut-after:person")
    with pytest.raises(CardGone):
        make_card(wire, ISSUER, NUMBER, CHAIN, PROOF)
    wire.card.power_on()

    assert make_card(wire, ISSUER, NUMBER, CHAIN, PROOF).counter == 1


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"chain": "00000001"}, "chain value"),
        ({"card_number": NUMBER + 9}, "card number"),
        ({"key_version": 2}, "key version"),
        ({"state": CardState.BLOCKED}, "state"),
        ({"key": "00" * 16}, "key;"),
    ],
)
def test_what_differs_is_named(changes, what):
    with pytest.raises(CardMismatchError, match=f"another {what}"):
        check_card(Wire(made(**changes)), ISSUER, NUMBER, CHAIN, PROOF)


def test_only_its_issuer_clears_a_card():
    other = IssuerKey(1, bytes(16), is_live=False)
    wire = Wire()
    with pytest.raises(CardMismatchError, match="another key"):
        clear_card(wire, other, PROOF)
    assert wire.memory.load().key == KEY.hex()

    figures = clear_card(wire, ISSUER, PROOF)

    assert (figures.state, figures.counter, wire.memory.load().key) == (CardState.BLANK, 43, "")
    assert clear_card(wire, ISSUER, PROOF).counter == 43  # blank already: nothing is done


def test_a_blocked_card_is_not_cleared():
    with pytest.raises(CardBlockedError):
        clear_card(Wire(made(state=CardState.BLOCKED)), ISSUER, PROOF)


def test_another_kind_of_card_is_not_written_to():
    class Stranger:
        sent = 0

        def exchange(self, command):
            self.sent += 1
            return b"\x6a\x82"

    stranger = Stranger()
    with pytest.raises(AppletMissingError, match="a card of this group"):
        make_card(stranger, ISSUER, NUMBER, CHAIN, PROOF)
    assert stranger.sent == 1


def test_keys_are_not_shown():
    assert MASTER_KEY.hex() not in repr(ISSUER)
    assert repr(MASTER_KEY) not in repr(ISSUER)


# --------------------------------------------------------------------------- training keys


def test_a_training_key_comes_back_and_is_not_live(tmp_path):
    path = tmp_path / "training.key"
    write_training_key(path, MASTER_KEY, 3)

    key = read_training_key(path)

    assert (bytes(key.master_key), key.key_version, key.is_live) == (MASTER_KEY, 3, False)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TrainingKeyError, match="expected to write a new file"):
        write_training_key(path, MASTER_KEY, 3)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"training_key": "00112233445566778899AABBCCDDEE", "key_version": 1}',
        '{"training_key": "00112233445566778899AABBCCDDEEGG", "key_version": 1}',
        '{"training_key": "00112233445566778899AABBCCDDEEFF", "key_version": 0}',
        '{"training_key": "00112233445566778899AABBCCDDEEFF", "key_version": "x"}',
    ],
)
def test_what_is_no_training_key_is_refused_without_a_word_of_it(tmp_path, content):
    path = tmp_path / "training.key"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(TrainingKeyError, match="expected") as raised:
        read_training_key(path)

    assert "00112233" not in str(raised.value)


def test_a_training_key_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "training.key"
    write_training_key(path, MASTER_KEY, 1)
    path.chmod(0o644)

    with pytest.raises(TrainingKeyError, match="chmod 600"):
        read_training_key(path)
