"""Our NNpsk0 against an implementation that shares no line with it (noiseprotocol from PyPI)."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from noise.connection import Keypair, NoiseConnection

from switch.protocol.noise import NONCE_MAX, CipherState, Initiator, NoiseError, Responder, hkdf

PSK = bytes(range(32))
PROLOGUE = b"CSWP\x01\x00\x00\x00\x07\x00\x00\x00"
OURS = bytes(range(60, 92))
THEIRS = bytes(range(120, 152))

pytestmark = pytest.mark.filterwarnings("ignore:One of ephemeral keypairs is already set")  # fixed keys are the point

keys = st.binary(min_size=32, max_size=32)


def other(role, psk=PSK, prologue=PROLOGUE, ephemeral=THEIRS):
    """The other implementation in one of the two roles."""
    connection = NoiseConnection.from_name(b"Noise_NNpsk0_25519_AESGCM_SHA256")
    connection.set_psks(psk)
    connection.set_prologue(prologue)
    connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
    connection.set_as_initiator() if role == "initiator" else connection.set_as_responder()
    connection.start_handshake()
    return connection


def handshake(initiator, responder, first=b"", second=b""):
    """Both of ours through a whole handshake: (initiator's ciphers, responder's ciphers)."""
    responder.read_message(initiator.write_message(first))
    initiator.read_message(responder.write_message(second))
    return initiator.split(), responder.split()


@given(
    psk=keys, prologue=st.binary(max_size=40), ours=keys, theirs=keys, payloads=st.tuples(*[st.binary(max_size=99)] * 4)
)
def test_our_initiator_and_the_other_responder_understand_each_other(psk, prologue, ours, theirs, payloads):
    initiator, responder = Initiator(psk, prologue, ours), other("responder", psk, prologue, theirs)

    heard = [
        bytes(responder.read_message(initiator.write_message(payloads[0]))),
        initiator.read_message(bytes(responder.write_message(payloads[1]))),
    ]
    send, receive = initiator.split()
    heard += [
        bytes(responder.decrypt(send.encrypt(payloads[2]))),
        receive.decrypt(bytes(responder.encrypt(payloads[3]))),
        receive.decrypt(bytes(responder.encrypt(payloads[2]))),
        bytes(responder.decrypt(send.encrypt(payloads[3]))),
    ]

    assert heard == [*payloads, payloads[2], payloads[3]]


@given(
    psk=keys, prologue=st.binary(max_size=40), ours=keys, theirs=keys, payloads=st.tuples(*[st.binary(max_size=99)] * 4)
)
def test_our_responder_and_the_other_initiator_understand_each_other(psk, prologue, ours, theirs, payloads):
    initiator, responder = other("initiator", psk, prologue, theirs), Responder(psk, prologue, ours)

    heard = [
        responder.read_message(bytes(initiator.write_message(payloads[0]))),
        bytes(initiator.read_message(responder.write_message(payloads[1]))),
    ]
    send, receive = responder.split()
    heard += [
        receive.decrypt(bytes(initiator.encrypt(payloads[2]))),
        bytes(initiator.decrypt(send.encrypt(payloads[3]))),
        bytes(initiator.decrypt(send.encrypt(payloads[2]))),
        receive.decrypt(bytes(initiator.encrypt(payloads[3]))),
    ]

    assert heard == [*payloads, payloads[2], payloads[3]]


def test_both_of_ours_derive_the_same_two_keys_and_they_differ():
    initiator, responder = Initiator(PSK, PROLOGUE, OURS), Responder(PSK, PROLOGUE, THEIRS)

    (terminal_send, terminal_receive), (switch_send, switch_receive) = handshake(initiator, responder)

    assert terminal_send.key == switch_receive.key
    assert terminal_receive.key == switch_send.key
    assert terminal_send.key != terminal_receive.key


def test_a_long_run_of_messages_keeps_both_counters_in_step():
    initiator, responder = Initiator(PSK, PROLOGUE, OURS), other("responder")
    responder.read_message(initiator.write_message())
    initiator.read_message(bytes(responder.write_message()))
    send, _ = initiator.split()

    heard = [bytes(responder.decrypt(send.encrypt(b"%d" % number))) for number in range(300)]

    assert heard == [b"%d" % number for number in range(300)]
    assert send.nonce == 300


@pytest.mark.parametrize(
    ("psk", "prologue"),
    [
        pytest.param(PSK[:-1] + b"\xff", PROLOGUE, id="another psk"),
        pytest.param(PSK, PROLOGUE[:-1] + b"\x01", id="another prologue"),
        pytest.param(PSK, b"", id="no prologue"),
    ],
)
def test_message_1_is_refused_when_psk_or_prologue_differ(psk, prologue):
    message = Initiator(psk, prologue, OURS).write_message()

    with pytest.raises(NoiseError, match="wrong tag"):
        Responder(PSK, PROLOGUE, THEIRS).read_message(message)


def test_the_other_implementation_refuses_our_message_1_with_another_psk():
    message = Initiator(PSK[::-1], PROLOGUE, OURS).write_message()

    with pytest.raises(InvalidTag):
        other("responder").read_message(message)


@pytest.mark.parametrize("position", range(48))
def test_message_1_is_refused_when_any_byte_was_altered(position):
    message = bytearray(Initiator(PSK, PROLOGUE, OURS).write_message())
    message[position] ^= 0x01

    with pytest.raises(NoiseError):
        Responder(PSK, PROLOGUE, THEIRS).read_message(bytes(message))


@pytest.mark.parametrize("position", range(48 + 5))
def test_message_2_is_refused_when_any_byte_was_altered(position):
    initiator, responder = Initiator(PSK, PROLOGUE, OURS), Responder(PSK, PROLOGUE, THEIRS)
    responder.read_message(initiator.write_message())
    message = bytearray(responder.write_message(b"terms"))
    message[position] ^= 0x01

    with pytest.raises(NoiseError):
        initiator.read_message(bytes(message))


@pytest.mark.parametrize("length", [0, 31, 32, 47])
def test_a_handshake_message_that_is_too_short_is_refused(length):
    message = Initiator(PSK, PROLOGUE, OURS).write_message()[:length]

    with pytest.raises(NoiseError, match="expected at least 48"):
        Responder(PSK, PROLOGUE, THEIRS).read_message(message)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)], ids=["zero", "one"])
def test_an_ephemeral_key_of_small_order_is_refused(point):
    """With such a point the shared secret is zero whatever the other private key is."""
    initiator = Initiator(PSK, PROLOGUE, OURS)
    initiator.write_message()

    with pytest.raises(NoiseError, match="shared secret would be zero"):
        initiator.read_message(point + bytes(16))


def test_a_replayed_transport_message_is_refused():
    (send, _), (_, receive) = handshake(Initiator(PSK, PROLOGUE, OURS), Responder(PSK, PROLOGUE, THEIRS))
    sealed = send.encrypt(b"pay")
    receive.decrypt(sealed)

    with pytest.raises(NoiseError, match="wrong tag"):
        receive.decrypt(sealed)


def test_transport_messages_out_of_order_are_refused_and_in_order_still_pass():
    (send, _), (_, receive) = handshake(Initiator(PSK, PROLOGUE, OURS), Responder(PSK, PROLOGUE, THEIRS))
    first, second = send.encrypt(b"first"), send.encrypt(b"second")

    with pytest.raises(NoiseError, match="wrong tag"):
        receive.decrypt(second)

    assert [receive.decrypt(first), receive.decrypt(second)] == [b"first", b"second"]


@pytest.mark.parametrize("position", range(3 + 16))
def test_a_transport_message_is_refused_when_any_byte_was_altered(position):
    (send, _), (_, receive) = handshake(Initiator(PSK, PROLOGUE, OURS), Responder(PSK, PROLOGUE, THEIRS))
    sealed = bytearray(send.encrypt(b"pay"))
    sealed[position] ^= 0x80

    with pytest.raises(NoiseError, match="wrong tag"):
        receive.decrypt(bytes(sealed))


def test_a_message_sealed_for_one_direction_is_refused_in_the_other():
    (send, receive), _ = handshake(Initiator(PSK, PROLOGUE, OURS), Responder(PSK, PROLOGUE, THEIRS))

    with pytest.raises(NoiseError, match="wrong tag"):
        receive.decrypt(send.encrypt(b"pay"))


def test_a_sealed_message_shorter_than_its_tag_is_refused():
    with pytest.raises(NoiseError, match="expected at least 16 bytes, got 15"):
        CipherState(PSK).decrypt(bytes(15))


def test_the_nonce_counts_big_endian():
    cipher = CipherState(PSK)
    cipher.nonce = 0x0102

    sealed = cipher.encrypt(b"pay", b"ad")

    assert sealed == AESGCM(PSK).encrypt(bytes.fromhex("000000000000000000000102"), b"pay", b"ad")


def test_the_last_nonce_is_never_used():
    cipher = CipherState(PSK)
    cipher.nonce = NONCE_MAX - 1
    cipher.encrypt(b"the last one")

    with pytest.raises(NoiseError, match="sign on again"):
        cipher.encrypt(b"one too many")
    with pytest.raises(NoiseError, match="sign on again"):
        cipher.decrypt(bytes(16))


@pytest.mark.parametrize("wrong", [bytes(31), bytes(33), b""], ids=len)
def test_keys_of_another_length_are_refused(wrong):
    with pytest.raises(NoiseError, match="key: expected 32"):
        CipherState(wrong)
    with pytest.raises(NoiseError, match="psk: expected 32"):
        Initiator(wrong, PROLOGUE, OURS)
    with pytest.raises(NoiseError, match="ephemeral private key: expected 32"):
        Responder(PSK, PROLOGUE, wrong)


def test_a_handshake_goes_forward_only():
    initiator, responder = Initiator(PSK, PROLOGUE, OURS), Responder(PSK, PROLOGUE, THEIRS)

    with pytest.raises(NoiseError, match="message 2 is not due"):
        initiator.read_message(bytes(48))
    with pytest.raises(NoiseError, match="split is not due"):
        responder.split()
    handshake(initiator, responder)
    with pytest.raises(NoiseError, match="message 1 is not due"):
        initiator.write_message()


def test_a_failed_handshake_cannot_be_continued():
    responder = Responder(PSK, PROLOGUE, THEIRS)
    good = Initiator(PSK, PROLOGUE, OURS).write_message()
    with pytest.raises(NoiseError, match="wrong tag"):
        responder.read_message(good[:-1] + b"?")

    with pytest.raises(NoiseError, match="failed"):
        responder.read_message(good)


def test_hkdf_gives_the_bytes_of_rfc_5869_without_info():
    """RFC 5869, A.3: SHA-256, empty salt and info; its 42 bytes are the first of our outputs chained."""
    first, second = hkdf(b"", bytes.fromhex("0b" * 22), 2)

    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert (first + second).hex().startswith(expected)


# --------------------------------------------------------------------------- rekey


def changed(key):
    """REKEY of section 4.2, written out: ENCRYPT(k, maxnonce, zerolen, zeros), its first 32 bytes."""
    return AESGCM(key).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]


def test_a_changed_key_is_what_the_specification_says_and_the_counter_goes_on():
    cipher = CipherState(PSK)
    cipher.nonce = 3

    cipher.rekey()

    assert (cipher.key, cipher.nonce) == (changed(PSK), 3)
    assert cipher.encrypt(b"pay") == AESGCM(changed(PSK)).encrypt(bytes(11) + b"\x03", b"pay", b"")


def test_the_other_implementation_changes_its_key_to_the_same_one():
    initiator, responder = Initiator(PSK, PROLOGUE, OURS), other("responder")
    responder.read_message(initiator.write_message())
    initiator.read_message(bytes(responder.write_message()))
    send, receive = initiator.split()

    responder.rekey_inbound_cipher()
    responder.rekey_outbound_cipher()
    send.rekey()
    receive.rekey()

    assert bytes(responder.decrypt(send.encrypt(b"there"))) == b"there"
    assert receive.decrypt(bytes(responder.encrypt(b"and back"))) == b"and back"


@given(frames=st.integers(1, 9), count=st.integers(1, 40))
def test_both_sides_change_the_key_before_each_message_whose_number_is_a_multiple(frames, count):
    ours, theirs = CipherState(PSK, frames), CipherState(PSK, frames)

    key = PSK
    for number in range(count):
        if number and number % frames == 0:
            key = changed(key)
        sealed = ours.encrypt(b"%d" % number)
        assert sealed == AESGCM(key).encrypt(number.to_bytes(12, "big"), b"%d" % number, b"")
        assert theirs.decrypt(sealed) == b"%d" % number


@given(frames=st.integers(1, 9))
def test_a_side_that_changes_its_key_elsewhere_is_not_understood(frames):
    ours, theirs = CipherState(PSK, frames), CipherState(PSK, frames + 1)
    for _ in range(frames):
        theirs.decrypt(ours.encrypt(b"same key"))

    with pytest.raises(NoiseError, match="wrong tag"):
        theirs.decrypt(ours.encrypt(b"another key"))


def test_a_forged_message_at_the_boundary_does_not_change_the_key_twice():
    ours, theirs = CipherState(PSK, 1), CipherState(PSK, 1)
    theirs.decrypt(ours.encrypt(b"first"))
    for _ in range(3):
        with pytest.raises(NoiseError, match="wrong tag"):
            theirs.decrypt(bytes(20))

    assert theirs.decrypt(ours.encrypt(b"second")) == b"second"
