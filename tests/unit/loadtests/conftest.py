"""A switch of a hundred lines for the generator to talk to: real frames over socket pairs, and faults on demand."""

import os
import select
import socket
import threading
import time
from collections import Counter

import pytest

from loadtests._generator import Generator
from loadtests.plan import LinkState
from switch.protocol.frames import FrameCutter
from switch.protocol.limits import REKEY_FRAMES
from switch.protocol.messages import REPLY_BIT, REQUESTS, DebitRequest, MessageType, Reply, SignOnTerms
from switch.protocol.session import Message, SwitchSession, answer_sign_on, parse_sign_on

LINK_KEYS = tuple((bytes([n]) * 32, bytes([n + 100]) * 32) for n in range(100))


class MiniSwitch(threading.Thread):
    """Approves every request; `change(reply, request)` and `spoil(frame)` may make something else of the answer."""

    def __init__(
        self,
        links,
        window,
        change=None,
        spoil=None,
        shuffle=False,
        chunk_bytes=None,
        stall=None,
        rekey_frames=REKEY_FRAMES,
    ):
        super().__init__(daemon=True)
        self.change, self.spoil, self.shuffle = change, spoil, shuffle
        self.chunk_bytes = chunk_bytes
        self.stall = stall  # (after so many requests, seconds)
        self.requests = []  # (link, header, body)
        self.code_counts: Counter[int] = Counter()
        self.approved_minor = 0
        self.most_unanswered = 0
        self.failure = None
        pairs = [socket.socketpair() for _ in range(links)]
        self.ours = [ours for ours, _ in pairs]
        self.theirs = [theirs for _, theirs in pairs]
        for theirs in self.theirs:
            theirs.setblocking(False)
        self.sessions = [SwitchSession(receive, send, rekey_frames) for receive, send in LINK_KEYS[:links]]
        states = [
            LinkState(
                fd=theirs.fileno(),
                terminal_id=n + 1,
                send_key=LINK_KEYS[n][0],
                receive_key=LINK_KEYS[n][1],
                rekey_frames=rekey_frames,
            )
            for n, theirs in enumerate(self.theirs)
        ]
        self.generator = Generator(states, window)

    def run(self):
        try:
            while ready := select.select(self.ours, [], [], 10)[0]:
                for ours in ready:
                    data = ours.recv(1 << 16)
                    if not data:
                        return
                    self.answer(self.ours.index(ours), data)
        except OSError:
            pass  # the generator has hung up in the middle of an answer
        except Exception as error:
            self.failure = error
            raise

    def answer(self, link, data):
        frames = []
        events = self.sessions[link].receive(data)
        self.most_unanswered = max(self.most_unanswered, len(events))
        if self.shuffle:
            events.reverse()
        for event in events:
            assert isinstance(event, Message)
            request = REQUESTS[MessageType(event.header.type)].decode(event.body)
            self.requests.append((link, event.header, request))
            if self.stall and len(self.requests) == self.stall[0]:
                time.sleep(self.stall[1])
            reply = self.reply_to(request)
            self.code_counts[reply.code] += 1
            self.approved_minor += reply.amount_minor
            frame = self.sessions[link].seal(event.header.type | REPLY_BIT, event.header.sequence, reply.encode())
            frames.append(self.spoil(frame) if self.spoil else frame)
        out = b"".join(frames)
        step = self.chunk_bytes or max(len(out), 1)
        for at in range(0, len(out), step):
            self.ours[link].sendall(out[at : at + step])

    def reply_to(self, request):
        reply = Reply(
            code=0,
            trace_number=getattr(request, "trace_number", 0),
            amount_minor=getattr(request, "amount_minor", 0),
            balance_minor=7,
            points_hundredths=100 if isinstance(request, DebitRequest) else 0,
            points_balance_hundredths=3,
        )
        return self.change(reply, request) if self.change else reply

    def close(self):
        for end in self.theirs:
            end.close()
        self.join(10)  # it reads the end of a connection
        for end in self.ours:
            end.close()
        assert self.failure is None, self.failure


@pytest.fixture
def mini_switch():
    """Makes mini switches, running, and ends them."""
    made = []

    def make(links=2, window=8, **options):
        made.append(MiniSwitch(links, window, **options))
        made[-1].start()
        return made[-1]

    yield make
    for switch in made:
        switch.close()


@pytest.fixture
def signing_on_switch():
    """Address, terminal number and key of a listener that accepts one terminal's sign-on and then answers it."""
    key = os.urandom(32)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            cutter = FrameCutter(8448)
            while not (payloads := cutter.feed(connection.recv(4096))):
                pass
            header, message = parse_sign_on(payloads[0])
            terms = SignOnTerms(
                time_ms=1,
                business_date=20_000,
                partition=0,
                frame_bytes_max=8448,
                idle_timeout_ms=90_000,
                in_flight_max=64,
                mode=0,
                rights=15,
            )
            accepted = answer_sign_on(header.encode(), message, key, terms, os.urandom(32))
            session = SwitchSession(accepted.receive_key, accepted.send_key)
            connection.sendall(accepted.frame)
            while data := connection.recv(4096):
                for event in session.receive(data):
                    assert isinstance(event, Message)
                    request = REQUESTS[MessageType(event.header.type)].decode(event.body)
                    reply = Reply(
                        code=0,
                        trace_number=getattr(request, "trace_number", 0),
                        amount_minor=getattr(request, "amount_minor", 0),
                    )
                    connection.sendall(
                        session.seal(event.header.type | REPLY_BIT, event.header.sequence, reply.encode())
                    )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname(), 77, key
    listener.close()
    thread.join(10)
