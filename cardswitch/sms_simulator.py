"""`cardswitch sms-simulator`: stands for the gateway of a network operator, for demos, trials and tests."""

from __future__ import annotations

import signal
import threading
from pathlib import Path


def sms_simulator(
    *,
    listen: str = "127.0.0.1:7490",
    token: str = "",
    callback: str = "",
    secret_file: Path | None = None,
    refuse_ending: str = "",
    fail_ending: str = "",
    silent_ending: str = "",
    busy_every: int = 0,
    delay_ms: int = 0,
    report_ms: int = 200,
    log: Path | None = None,
) -> int:
    """Simulate a short message gateway until SIGTERM: take messages, report delivery, show what came.

    No telephone hears of anything. http://HOST:PORT/ shows what came, /messages the same as JSON; POST
    {"from", "text"} to /incoming plays a member who writes.

    For example:
        cardswitch sms-simulator --token tok --callback http://localhost:7480/api/gateway/callback --secret-file cms.txt

    Next: on the page "Gateway and words" fill in http://localhost:7490/messages and the token.

    Parameters
    ----------
    listen
        HOST:PORT to listen on; port 0 takes any free one.
    token
        Bearer token that must be shown; empty: anybody may send.
    callback
        Address that reports and incoming messages are posted to; empty: none are.
    secret_file
        File with the secret that signs callbacks, as the page has told it.
    refuse_ending
        Numbers that end so are refused at once.
    fail_ending
        Numbers that end so are accepted and reported as failed.
    silent_ending
        Numbers that end so are accepted and never reported.
    busy_every
        Each n-th request is answered with 503; 0: none.
    delay_ms
        Wait before each answer.
    report_ms
        Wait between an answer and its report.
    log
        File that keeps what came, a line each; a later run knows it again.
    """
    from loadtests.sms_gateway import Network, Rules, SmsGateway

    host, _colon, port = listen.rpartition(":")
    rules = Rules(refuse_ending, fail_ending, silent_ending, busy_every, delay_ms, report_ms)
    secret = secret_file.read_text(encoding="utf-8").strip() if secret_file else ""
    server = SmsGateway(host, int(port), Network(rules, token, callback, secret, log))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"sms simulator: listens on http://{host}:{server.server_port}/", flush=True)
    with server:
        server.serve_forever()
    return 0
