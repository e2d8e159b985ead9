"""A terminal and the switch joined without a socket."""

from switch.protocol.messages import SignOnTerms
from switch.protocol.session import SwitchSession, TerminalSession, answer_sign_on, parse_sign_on

KEY = bytes(range(100, 132))
TERMS = SignOnTerms(
    time_ms=1_767_268_800_000,
    business_date=20_454,
    partition=0,
    frame_bytes_max=8_448,
    idle_timeout_ms=90_000,
    in_flight_max=1_024,
    mode=0,
    rights=1,
)


def terminal(key=KEY, terminal_id=7):
    """A terminal that has not started."""
    return TerminalSession(terminal_id, key, bytes(range(32)))


def answer(start, key=KEY, terms=TERMS):
    """What the switch makes of a terminal's first frame."""
    _, noise_message = parse_sign_on(start[2:])
    return answer_sign_on(start[2:14], noise_message, key, terms, bytes(range(50, 82)))


def open_pair(terms=TERMS):
    """Both sides of a session that is open."""
    client = terminal()
    success = answer(client.start(), terms=terms)
    client.receive(success.frame)
    return client, SwitchSession(success.receive_key, success.send_key)
