"""A link believes a stream as far as the protocol allows: the readable session and the twin say how far that is.

Streams of good, mutated, repeated, lost and damaged frames, cut anywhere; replies are compared byte for byte. What was
found once is kept in `corpus/`, one plaintext a line in hexadecimal digits.
"""

import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switch.protocol.errors import PeerError
from switch.protocol.frames import FrameCutter, FrameError
from switch.protocol.limits import ERRORS_MAX, FRAME_BYTES_MAX
from switch.protocol.messages import (
    EVIDENCE_BYTES,
    FOUND_BYTES,
    PROTOCOL_VERSION,
    REQUESTS,
    WITH_EVIDENCE,
    EchoReply,
    ErrorReply,
    EvidenceFlag,
    Header,
    MessageType,
    Reply,
    Right,
)
from switch.protocol.records import RecordKind
from switch.protocol.session import Message, SwitchSession
from tests.fuzz.inprocess import (
    EVERY_RIGHT,
    LIMITED_ID,
    NOW_MS,
    TERMINAL_ID,
    TODAY,
    Bench,
    cut,
    open_business,
    pin_refused,
    twin_of_settings,
)
from tests.fuzz.mutations import Mutation, bodies, body_of, mutated, mutations
from tests.fuzz.peer import HEADER_BYTES, framed, message
from tests.fuzz.samples import length_wanted
from tests.support.keys import wrapped
from tests.twin.examine import Challenges, examine
from tests.twin.wire import DECIDED_TYPES, form_error, read_header

CORPUS = Path(__file__).parent / "corpus"
QUOTES = '"'  # an empty message is written as two of them
COLD_TYPES = {
    MessageType.SIGN_OFF,
    MessageType.ECHO,
    MessageType.FOLLOW,
    MessageType.STATISTICS,
    MessageType.READ_RECORDS,
    MessageType.SIGNED_ON,
}
KEY_TYPES = {MessageType.PUT_MEDIUM, MessageType.PUT_KEY, MessageType.REWRAP_KEY, MessageType.CHANGE_KEY}
"""The key desk wraps what is in them before they are decided: tests/unit/switch/test_key_desk.py."""
BESIDE = {MessageType.PUT_TERMINAL, MessageType.DAY_DIGESTS, MessageType.DAY_LIST, *KEY_TYPES}
"""Decided by the twin's rules, but answered with the cold messages."""


# --------------------------------------------------------------------------- what should be answered

STORAGE_VERSION_AT = 29
"""In the body of a put terminal: zero on the wire."""


def max_flags(flags):
    return sum(flags)


def place_of_evidence(type_, body):
    """Offset of the evidence in a body that is as long as one with evidence should be, else None."""
    if type_ not in WITH_EVIDENCE or len(body) < REQUESTS[MessageType(type_)].width_bytes():
        return None
    at = len(body) - EVIDENCE_BYTES
    return at if at == length_wanted(type_, body) else None


class Expected:
    """The link's twin: what each receive is answered, from the readable parts."""

    def __init__(self, terminal_id, receive_key, send_key):
        self.twin = twin_of_settings()
        open_business(self.twin)
        self.session = SwitchSession(receive_key, send_key)
        self.terminal_id = terminal_id
        self.rights = EVERY_RIGHT if terminal_id == TERMINAL_ID else int(Right.PAY)
        self.error_count = 0
        self.fault = False

    def receive(self, piece):
        """(header, body or None where any body will do) of each answer, in order; sets `fault`."""
        try:
            events = self.session.receive(piece)
        except PeerError as error:
            events, self.fault = list(error.received), True
        messages = [event for event in events if isinstance(event, Message)]
        plaintexts = [(m.header.encode() + m.body)[: m.header_bytes + len(m.body)] for m in messages]
        hot = [plaintext for plaintext in plaintexts if len(plaintext) < HEADER_BYTES or self.is_hot(plaintext[1])]
        cold = [plaintext for plaintext in plaintexts if plaintext not in hot]
        return [self.answer(plaintext) for plaintext in [*hot, *cold]]

    @staticmethod
    def is_hot(type_):
        return type_ in DECIDED_TYPES and type_ not in BESIDE

    def answer(self, plaintext):
        if len(plaintext) < HEADER_BYTES:
            whole = plaintext.ljust(HEADER_BYTES, b"\0")
            error = ErrorReply(code=221, type=whole[1], offset=0, expected=HEADER_BYTES, got=len(plaintext))
            return self.error(whole, error)
        header = read_header(plaintext)
        if (refused := pin_refused(plaintext)) is not None:
            code, pin_at = refused
            error = ErrorReply(code=code, type=header.type, offset=pin_at, expected=0, got=0)
            return self.error(plaintext, error)
        if header.type in DECIDED_TYPES:
            evidence_at = place_of_evidence(header.type, plaintext[HEADER_BYTES:])
            if evidence_at is not None:
                flags, found = plaintext[HEADER_BYTES + evidence_at + 2], plaintext[-FOUND_BYTES:]
                wrong_at, got = (
                    (evidence_at + 2, flags)
                    if flags > max_flags(EvidenceFlag)
                    else (evidence_at + EVIDENCE_BYTES - FOUND_BYTES, int.from_bytes(found[:4], "little"))
                )
                if flags > max_flags(EvidenceFlag) or any(found):
                    error = ErrorReply(code=222, type=header.type, offset=wrong_at, expected=0, got=got)
                    return self.error(plaintext, error)
                plaintext = examine(self.twin.state, {}, self.terminal_id, plaintext, NOW_MS, Challenges())
            if header.type == MessageType.PUT_TERMINAL and form_error(plaintext, header) is None:
                filled_in = plaintext[HEADER_BYTES + STORAGE_VERSION_AT]
                got = filled_in or int.from_bytes(plaintext[-8:-4], "little")
                if filled_in or any(plaintext[-8:]):
                    error = ErrorReply(
                        code=222, type=header.type, offset=STORAGE_VERSION_AT if filled_in else 64, expected=0, got=got
                    )
                    return self.error(plaintext, error)
                if any(plaintext[-40:]):
                    head = bytearray(plaintext[:-40])
                    head[HEADER_BYTES + STORAGE_VERSION_AT] = 1
                    plaintext = bytes(head) + wrapped(plaintext[-40:-8])
            reply = self.twin.decide(self.terminal_id, self.rights, plaintext, NOW_MS).reply
            if reply[1] == 0xFF:
                self.error_count += 1
            return reply[:HEADER_BYTES], reply[HEADER_BYTES:]
        return self.answer_cold(plaintext, header)

    def answer_cold(self, plaintext, header):
        body = plaintext[HEADER_BYTES:]

        def error(code, expected, got):
            return self.error(plaintext, ErrorReply(code=code, type=header.type, offset=0, expected=expected, got=got))

        if header.version != PROTOCOL_VERSION:
            return error(230, 1, header.version)
        if header.flags:
            return error(222, 0, header.flags)
        if header.type not in COLD_TYPES:
            return error(220, 0, header.type)
        width = REQUESTS[MessageType(header.type)].width_bytes()
        if len(body) != width:
            return error(221, width, len(body))
        head = Header(type=header.type | 0x80, sequence=header.sequence).encode()
        if header.type == MessageType.ECHO:
            stamp_ms = int.from_bytes(body, "little", signed=True)
            return head, EchoReply(stamp_ms=stamp_ms, time_ms=NOW_MS, business_date=self.twin.today).encode()
        if not self.rights & Right.FOLLOW:
            return head, Reply(code=200, business_date=self.twin.today).encode()
        return head, None

    def error(self, plaintext, error):
        self.error_count += 1
        header = Header(type=0xFF, sequence=int.from_bytes(plaintext[4:8], "little"))
        return header.encode(), error.encode()


def play(terminal_id, plaintexts, damage, places):
    """Both sides take the same stream; every answer and the end are compared."""
    bench = Bench()
    with bench.session(terminal_id) as session:
        expected = Expected(terminal_id, session.receive_key, session.send_key)
        frames = [session.seal(plaintext) for plaintext in plaintexts]
        for how, at, bit in damage:
            if frames:
                how(frames, at % len(frames), bit)
        for piece in cut(b"".join(frames), places):
            wanted = expected.receive(piece)
            session.feed(piece)
            got = session.answers()
            if max(expected.error_count, session.link.error_count) > ERRORS_MAX:
                return  # the bound is looked at once a round, so how many replies come depends on the cuts
            assert [(a.header.encode(), a.body) for a in got] == [
                (header, body if body is not None else answer.body)
                for (header, body), answer in zip(wanted, got, strict=True)
            ]
            assert (session.link.fault is not None) == expected.fault
            if expected.fault or terminal_blocked(expected.twin, terminal_id):
                return


def terminal_blocked(twin, terminal_id):
    terminal = twin.tables.get(RecordKind.TERMINAL, terminal_id)
    return (terminal.status, terminal.rights) != (1, EVERY_RIGHT if terminal_id == TERMINAL_ID else 1)


# --------------------------------------------------------------------------- streams


def flip(frames, at, bit):
    frame = bytearray(frames[at] or b"\0")
    frame[bit // 8 % len(frame)] ^= 1 << bit % 8
    frames[at] = bytes(frame)


def lose(frames, at, bit):
    del frames[at]


def repeat(frames, at, bit):
    frames.insert(at, frames[at])


def swap(frames, at, bit):
    frames.append(frames.pop(at))


def shorten(frames, at, bit):
    frames[at] = frames[at][: bit % (len(frames[at]) + 1)]


def insert_noise(frames, at, bit):
    frames.insert(at, bytes([bit % 256]) * (bit % 40 + 1))


def insert_length(frames, at, bit):
    frames.insert(at, [b"\0\0", b"\xff\xff", b"\x21\x41", framed(bytes(15)), framed(bytes(8_512))][bit % 5])


DAMAGES = [flip, lose, repeat, swap, shorten, insert_noise, insert_length]
types = st.sampled_from([*(REQUESTS.keys() - KEY_TYPES), MessageType.DEBIT, MessageType.DEBIT, MessageType.REVERSAL])


@st.composite
def messages(draw):
    """A message, mostly valid."""
    type_ = draw(types)
    plaintext = message(type_, draw(bodies(type_, TODAY)), draw(st.integers(0, 2**32 - 1)))
    return mutated(plaintext, draw(mutations()) if draw(st.integers(0, 3)) == 0 else [])


damages = st.lists(st.tuples(st.sampled_from(DAMAGES), st.integers(0, 30), st.integers(0, 10_000)), max_size=2)
place_lists = st.lists(st.integers(0, 5_000), max_size=8)


@given(st.sampled_from([TERMINAL_ID, LIMITED_ID]), st.lists(messages(), max_size=12), damages, place_lists)
@example(TERMINAL_ID, [b"", b"\1", bytes(7)], [], [])
@example(TERMINAL_ID, [message(MessageType.SIGN_OFF)], [], [1])
def test_a_link_answers_any_stream_as_the_readable_session_and_the_twin_do(terminal_id, plaintexts, damage, places):
    without_sign_off = [
        p for p in plaintexts if p != message(MessageType.SIGN_OFF, b"", int.from_bytes(p[4:8], "little"))
    ]

    play(terminal_id, without_sign_off, damage, places)


@settings(max_examples=settings().max_examples // 4)  # each is thousands of receives
@given(st.lists(messages(), min_size=1, max_size=4))
def test_a_stream_that_comes_byte_by_byte_is_answered_like_one_that_comes_at_once(plaintexts):
    hot = [p for p in plaintexts if len(p) < 400 and (len(p) < HEADER_BYTES or Expected.is_hot(p[1]))]
    outcomes = []
    for pieces_of in (lambda stream: [stream], lambda stream: [stream[at : at + 1] for at in range(len(stream))]):
        bench = Bench()
        with bench.session() as session:
            for piece in pieces_of(b"".join(map(session.seal, hot))):
                session.feed(piece)
            answers = session.answers()
            outcomes.append((answers, session.link.fault, bench.engine.records()))

    assert outcomes[0] == outcomes[1]


@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    st.sampled_from([1, 60, 256, FRAME_BYTES_MAX]),
    place_lists,
)
def test_a_frame_cutter_gives_what_a_look_at_the_whole_stream_gives(chunks, bound, places):
    stream = b"".join(framed(chunk) if len(chunk) % 5 else chunk for chunk in chunks)
    wanted, at, broken = [], 0, False
    while len(stream) - at >= 2 and not broken:
        length = int.from_bytes(stream[at : at + 2], "big")
        broken = not 0 < length <= bound
        if broken or len(stream) - at - 2 < length:
            break
        wanted.append(stream[at + 2 : at + 2 + length])
        at += 2 + length

    cutter, got, failed = FrameCutter(bound), [], False
    for piece in cut(stream, places):
        try:
            got += cutter.feed(piece)
        except FrameError as error:
            got, failed = got + list(error.received), True
            break
        assert cutter.held_bytes <= bound + 2

    assert (got, failed) == (wanted, broken)


# --------------------------------------------------------------------------- what was found before


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.hex")), ids=lambda path: path.stem)
def test_what_was_found_before_stays_answered_as_the_twin_answers(path):
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    plaintexts = [bytes.fromhex(line.strip(QUOTES)) for line in lines if line]

    play(TERMINAL_ID, plaintexts, [], [])
    play(TERMINAL_ID, plaintexts, [], range(0, 5_000, 7))


def test_the_mutations_reach_every_kind_of_answer():
    """So that a fuzzer that only ever hears LENGTH is noticed."""
    rng, codes = random.Random(1), set()
    for step in range(4_000):
        if step % 30 == 0:  # the few trace numbers are used up
            bench = Bench()
        type_ = rng.choice(sorted(DECIDED_TYPES))
        plaintext = message(type_, body_of(type_, TODAY, rng.choice, examined=True))
        changes = [Mutation(rng.randrange(6), rng.randrange(5_000), rng.randrange(5_000))] * (rng.random() < 0.3)
        reply, _ = bench.engine.decide(TERMINAL_ID, EVERY_RIGHT, mutated(plaintext, changes).ljust(8, b"\0"), NOW_MS)
        codes.add(int.from_bytes(reply[8:10], "little"))

    assert {0, 13, 14, 101, 102, 103, 110, 111, 112, 201, 202, 220, 221, 222, 230} <= codes
