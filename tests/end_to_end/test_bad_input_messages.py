"""A message that cannot be read changes nothing: it is answered by an error reply that says what was expected.

Sealed properly and wrong inside: cut short, too long, reserved fields set, unknown types, integers at their extremes.
"""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.limits import ERRORS_MAX
from switch.protocol.messages import REPLY_BIT, RESERVED_TYPES, BillLine, MessageType, Right
from tests.fuzz.peer import HEADER_BYTES, message
from tests.fuzz.running import CARD, Watch, running_switch
from tests.fuzz.samples import (
    COLD_TYPES,
    HOT_TYPES,
    SENDABLE_TYPES,
    integers_at_extremes,
    length_wanted,
    reserved_set,
    sample,
)

SEQUENCE = 0xA1B2C3D4
ENDS_SESSIONS = {MessageType.SIGN_OFF, MessageType.PUT_TERMINAL, MessageType.CHANGE_KEY}
VALUED_COLD_TYPES = sorted({*COLD_TYPES} - {MessageType.STATISTICS, *ENDS_SESSIONS})


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


def answers_to(switch, plaintexts):
    """What each message is answered, in their order; as many sessions as the bound on errors asks for."""
    credentials, answers = switch.new_terminal(), []
    for at in range(0, len(plaintexts), ERRORS_MAX):
        with switch.signed_on(credentials) as peer:
            for plaintext in plaintexts[at : at + ERRORS_MAX]:
                peer.send(peer.seal(plaintext))
                answers.append(peer.receive())
    return answers


def read_error(answer):
    """(sequence, code, type, offset, expected, got) of an error reply."""
    error = answer.error
    return answer.header.sequence, error.code, error.type, error.offset, error.expected, error.got


def sample_of(switch, type_):
    with switch.signed_on() as peer:
        return sample(peer, type_)


def length_error(plaintext):
    """The answer to a message that is shorter or longer than its type asks for, from docs/protocol.md."""
    body_bytes = len(plaintext) - HEADER_BYTES
    if body_bytes < 0:
        whole = plaintext.ljust(HEADER_BYTES, b"\0")
        sequence = int.from_bytes(whole[4:8], "little")
        return sequence, ResponseCode.LENGTH, whole[1], 0, HEADER_BYTES, len(plaintext)
    type_ = plaintext[1]
    expected = length_wanted(MessageType(type_), plaintext[HEADER_BYTES:])
    return SEQUENCE, ResponseCode.LENGTH, type_, 0, expected, body_bytes


# --------------------------------------------------------------------------- length


@pytest.mark.parametrize("type_", SENDABLE_TYPES, ids=lambda type_: type_.name)
def test_a_message_cut_at_any_byte_is_answered_with_the_length_it_should_have(switch, type_):
    whole = message(type_, sample_of(switch, type_), SEQUENCE)
    cut = [whole[:size] for size in range(len(whole))]
    watch = Watch(switch)

    answers = answers_to(switch, cut)

    assert [read_error(answer) for answer in answers] == [length_error(plaintext) for plaintext in cut]
    assert [entry.request_type for entry in watch.entries()] == [MessageType.PUT_TERMINAL]  # the terminal itself


@pytest.mark.parametrize("type_", SENDABLE_TYPES, ids=lambda type_: type_.name)
def test_a_message_with_more_bytes_than_its_type_has_is_answered_with_the_length_it_should_have(switch, type_):
    whole = message(type_, sample_of(switch, type_), SEQUENCE)
    longer = [whole + bytes(1), whole + b"\xff" * 31, whole + bytes(32), whole.ljust(8_496, b"\0")]
    watch = Watch(switch)

    answers = answers_to(switch, longer)

    assert [read_error(answer) for answer in answers] == [length_error(plaintext) for plaintext in longer]
    assert len(watch.entries()) == 1


@pytest.mark.parametrize("line_count", [0, 1, 3, 254, 255])
def test_a_debit_whose_lines_are_not_as_many_as_it_says_is_refused(switch, line_count):
    body = sample_of(switch, MessageType.DEBIT)[:40]
    counted = body[:32] + bytes([line_count]) + body[33:34] + b"\0" + body[35:]  # no tenders
    said = 32 * line_count
    sizes = {0, 1, 32, 64, 255 * 32, said - 32, said - 1, said + 1, said + 32} - {said}
    wrong = [
        message(MessageType.DEBIT, counted + bytes(size), SEQUENCE) for size in sorted(sizes) if 0 <= size <= 255 * 32
    ]
    watch = Watch(switch)

    answers = answers_to(switch, wrong)

    assert [read_error(answer) for answer in answers] == [length_error(plaintext) for plaintext in wrong]
    assert watch.moved()["code_length"] == len(wrong)
    assert len(watch.entries()) == 1


def test_a_debit_of_255_lines_is_the_longest_and_passes(switch):
    with switch.signed_on() as peer:
        lines = tuple(BillLine(amount_minor=1) for _ in range(255))

        reply = peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=255, lines=lines)

        assert (reply.code, reply.amount_minor) == (ResponseCode.APPROVED, 255)


# --------------------------------------------------------------------------- header, reserved fields, types


@pytest.mark.parametrize("type_", SENDABLE_TYPES, ids=lambda type_: type_.name)
def test_each_byte_of_a_reserved_field_is_refused_with_its_offset(switch, type_):
    altered = list(reserved_set(type_, sample_of(switch, type_)))
    watch = Watch(switch)

    answers = answers_to(switch, [message(type_, one.body, SEQUENCE) for one in altered])

    expected = [(SEQUENCE, ResponseCode.RESERVED_NOT_ZERO, type_, one.offset, 0, one.value) for one in altered]
    assert [read_error(answer) for answer in answers] == expected
    assert [entry.request_type for entry in watch.entries()] == [MessageType.PUT_TERMINAL]


@pytest.mark.parametrize("type_", SENDABLE_TYPES, ids=lambda type_: type_.name)
def test_another_version_and_any_flag_are_refused_before_all_else(switch, type_):
    body = sample_of(switch, type_)
    versions = [0, 2, 3, 0x7F, 0x80, 0xFF]
    flags = [1 << bit for bit in range(16)]
    watch = Watch(switch)

    # Even with flags, and with a body that is too short: the version is judged first, then the flags.
    of_versions = answers_to(switch, [message(type_, body[:3], SEQUENCE, version, 0xFFFF) for version in versions])
    of_flags = answers_to(switch, [message(type_, body[:3], SEQUENCE, 1, flag) for flag in flags])

    code = ResponseCode
    assert [read_error(answer) for answer in of_versions] == [
        (SEQUENCE, code.VERSION, type_, 0, 1, version) for version in versions
    ]
    assert [read_error(answer) for answer in of_flags] == [
        (SEQUENCE, code.RESERVED_NOT_ZERO, type_, 0, 0, flag) for flag in flags
    ]
    assert len(watch.entries()) == 2


def test_every_type_that_is_no_request_is_refused_as_unknown(switch):
    unknown = [type_ for type_ in range(256) if type_ not in SENDABLE_TYPES]
    assert {*RESERVED_TYPES, MessageType.PUT_SWITCH, MessageType.ERROR, MessageType.DEBIT | REPLY_BIT} <= {*unknown}
    watch = Watch(switch)

    answers = answers_to(switch, [message(type_, bytes(type_ % 70), SEQUENCE) for type_ in unknown])

    expected = [(SEQUENCE, ResponseCode.TYPE_UNKNOWN, type_, 0, 0, type_) for type_ in unknown]
    assert [read_error(answer) for answer in answers] == expected
    assert len(watch.entries()) == 1


def test_the_first_entry_of_a_journal_is_refused_on_the_wire_whatever_the_rights(switch):
    body = sample_of(switch, MessageType.PUT_SWITCH)
    watch = Watch(switch)

    [answer] = answers_to(switch, [message(MessageType.PUT_SWITCH, body, SEQUENCE)])

    assert answer.error.code == ResponseCode.TYPE_UNKNOWN
    assert len(watch.entries()) == 1


# --------------------------------------------------------------------------- counted


@pytest.mark.parametrize("type_", HOT_TYPES, ids=lambda type_: type_.name)
def test_error_replies_of_the_fast_path_are_counted_by_code(switch, type_):
    credentials, body = switch.new_terminal(), sample_of(switch, type_)
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        for plaintext in (message(type_, body[:-1]), message(type_, body, version=2), message(type_, body, flags=4)):
            peer.send(peer.seal(plaintext))
            peer.receive()

    moved = watch.moved()
    assert [moved.get(name) for name in ("code_length", "code_version", "code_reserved_not_zero")] == [1, 1, 1]


@pytest.mark.parametrize("type_", COLD_TYPES, ids=lambda type_: type_.name)
def test_error_replies_of_the_dispatcher_are_counted_by_code(switch, type_):
    credentials, body = switch.new_terminal(), sample_of(switch, type_)
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        for plaintext in (message(type_, body + b"\0"), message(type_, body, version=2), message(type_, body, flags=4)):
            peer.send(peer.seal(plaintext))
            peer.receive()

    moved = watch.moved()
    assert [moved.get(name) for name in ("code_length", "code_version", "code_reserved_not_zero")] == [1, 1, 1]


@pytest.mark.parametrize(("plaintext", "counter"), [(b"", "code_length"), (message(0x33), "code_type_unknown")])
def test_messages_of_no_type_are_counted_by_code(switch, plaintext, counter):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        peer.send(peer.seal(plaintext))
        peer.receive()

    assert watch.moved().get(counter) == 1


# --------------------------------------------------------------------------- values


@pytest.mark.parametrize("type_", [*HOT_TYPES, *VALUED_COLD_TYPES], ids=lambda type_: type_.name)
def test_every_integer_at_its_extremes_is_answered_by_a_named_code(switch, type_):
    body = sample_of(switch, type_)
    bodies = [body, *(altered.body for altered in integers_at_extremes(type_, body))]

    answers = answers_to(switch, [message(type_, altered, SEQUENCE) for altered in bodies])

    if type_ == MessageType.ECHO:
        assert [answer.body[:8] for answer in answers] == bodies
    else:
        assert {answer.code for answer in answers} <= {*ResponseCode}
        is_any_fitting = type_ == MessageType.SIGNED_ON  # its one number is where to go on, and may be any
        assert is_any_fitting or len({answer.code for answer in answers}) > 1  # it does look at them


def test_every_integer_of_put_terminal_at_its_extremes_is_answered_by_a_named_code(switch):
    whole = sample_of(switch, MessageType.PUT_TERMINAL)
    operator = switch.operator
    credentials = switch.new_terminal()

    with switch.signed_on(credentials) as peer:
        codes = [
            peer.ask(MessageType.PUT_TERMINAL, altered.body).code
            for altered in integers_at_extremes(MessageType.PUT_TERMINAL, whole)
        ]
        # Number 1, one of the extremes, is the operator: put it back. Another key has ended its session.
        rights = Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY
        fields = {"terminal_id": operator.terminal_id, "store_id": 0, "rights": rights}
        put_back = peer.do(MessageType.PUT_TERMINAL, **fields, key=operator.key.ljust(40, b"\0"))
    switch.hang_up_desk()

    assert {*codes} <= {*ResponseCode} and {ResponseCode.APPROVED, ResponseCode.FIELD_INVALID} <= {*codes}
    assert put_back.code == ResponseCode.APPROVED


def test_amounts_beyond_all_bounds_leave_balance_and_points_alone(switch):
    extremes = [-(2**63), -(2**63) + 1, -(10**12) - 1, -1, 10**12 + 1, 2**62, 2**63 - 1]
    with switch.signed_on() as peer:
        before = peer.do(MessageType.BALANCE, card_number=CARD)

        codes = {peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=amount).code for amount in extremes}
        codes |= {peer.do(MessageType.CREDIT, card_number=CARD, amount_minor=amount).code for amount in extremes}
        for amount in extremes:
            lines = (BillLine(amount_minor=amount), BillLine(amount_minor=amount))
            codes.add(peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=1, lines=lines).code)

        after = peer.do(MessageType.BALANCE, card_number=CARD)

    assert codes <= {ResponseCode.AMOUNT, ResponseCode.APPROVED}
    assert before.balance_minor - after.balance_minor <= 1  # two lines of -1 are a bill like any other
    assert after.points_balance_hundredths == before.points_balance_hundredths


# --------------------------------------------------------------------------- the bound on errors


@pytest.mark.parametrize(
    "type_", [MessageType.DEBIT, MessageType.ECHO, 0x33], ids=["fast path", "dispatcher", "unknown"]
)
def test_a_session_survives_sixteen_errors_and_ends_at_the_next(switch, type_):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        survived = [peer.ask(type_, b"wrong").error.code for _ in range(ERRORS_MAX)]
        echo = peer.ask(MessageType.ECHO, bytes(8))
        last = peer.ask(type_, b"wrong").error.code
        peer.wait_closed()

    assert [*survived, last] == [survived[0]] * 17
    assert echo.header.type == MessageType.ECHO | REPLY_BIT
    assert watch.moved()["closed: too many messages that cannot be read"] == 1
    assert watch.entries() == []


def test_errors_of_one_session_do_not_count_against_another(switch):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as wrong, switch.signed_on(credentials) as right:
        for _ in range(ERRORS_MAX + 1):
            wrong.ask(MessageType.DEBIT, b"")
        wrong.wait_closed()

        answer = right.ask(MessageType.DEBIT, b"")

        assert answer.error.code == ResponseCode.LENGTH
        assert right.do(MessageType.BALANCE, card_number=CARD).code == ResponseCode.APPROVED


def test_many_errors_in_one_segment_get_no_more_replies_than_one_by_one(switch):
    with switch.signed_on() as peer:
        peer.send(b"".join(peer.seal(message(0x33)) for _ in range(1_000)))

        answers = list(peer.answers_until_closed())

    assert len(answers) == ERRORS_MAX + 1
