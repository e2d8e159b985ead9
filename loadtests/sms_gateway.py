"""A simulator of a short message gateway: takes messages over HTTP, tells what became of them, keeps what it got.

It stands for the gateway of a network operator where there is none: demos,
trials and tests.  No telephone hears of anything.  Rules say by the last digits
of a number what becomes of a message to it.  What it has taken is also written
to a file, a line each, before it answers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BODY_BYTES_MAX = 1_000_000
CALLBACK_TIMEOUT_S = 5.0
CALLBACK_ATTEMPTS = 5
CALLBACK_PAUSE_S = 0.5
SHOWN_MAX = 500
"""Messages that the page shows."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the simulated network behaves."""

    refuse_ending: str = ""
    """Numbers that end so are refused at once: no such number."""
    fail_ending: str = ""
    """Numbers that end so are accepted and reported as failed."""
    silent_ending: str = ""
    """Numbers that end so are accepted and never reported."""
    busy_every: int = 0
    """Each n-th request is answered with 503 and taken by nobody; 0: none."""
    delay_ms: int = 0
    """Wait before an answer."""
    report_ms: int = 200
    """Wait between an answer and its report."""


@dataclass(slots=True)
class Kept:
    """A message that was taken."""

    id: str
    reference: str
    to: str
    text: str
    alphabet: str
    parts: int
    state: str
    repeats: int = 0
    """How often it was handed over again."""


@dataclass(slots=True)
class Network:
    """What the simulator has, behind a lock."""

    rules: Rules
    token: str = ""
    callback: str = ""
    secret: str = ""
    log: Path | None = None
    messages: dict[str, Kept] = field(default_factory=dict)
    """By reference."""
    requests: int = 0
    incoming: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def recall(self) -> None:
        """Know what a run before has taken, by the file."""
        if self.log is not None and self.log.exists():
            for line in self.log.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.messages[row["reference"]] = Kept(**row)

    def take(self, sent: dict[str, Any]) -> dict[str, str]:
        """Take one message; its result."""
        reference = str(sent["reference"])
        with self.lock:
            known = self.messages.get(reference)
            if known is not None:
                known.repeats += 1
                return {"reference": reference, "status": "repeated", "id": known.id}
            to = str(sent["to"])
            if not to.isdecimal() or (self.rules.refuse_ending and to.endswith(self.rules.refuse_ending)):
                return {"reference": reference, "status": "refused", "problem": "no such number"}
            kept = Kept(
                id=f"sim-{len(self.messages) + 1}",
                reference=reference,
                to=to,
                text=str(sent["text"]),
                alphabet=str(sent.get("alphabet", "")),
                parts=int(sent.get("parts", 1)),
                state="accepted",
            )
            self.messages[reference] = kept
            if self.log is not None:
                with self.log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(kept), ensure_ascii=False) + "\n")
        return {"reference": reference, "status": "accepted", "id": kept.id}

    def settle(self, references: list[str]) -> None:
        """Decide what becomes of messages, and report it."""
        time.sleep(self.rules.report_ms / 1000)
        reports = []
        with self.lock:
            for reference in references:
                kept = self.messages[reference]
                if self.rules.silent_ending and kept.to.endswith(self.rules.silent_ending):
                    continue
                is_failed = bool(self.rules.fail_ending) and kept.to.endswith(self.rules.fail_ending)
                kept.state = "failed" if is_failed else "delivered"
                problem = "switched off" if is_failed else ""
                reports.append({"reference": reference, "state": kept.state, "problem": problem})
        if reports and self.callback:
            self.call_back({"reports": reports})

    def receive(self, sender: str, text: str) -> bool:
        """A telephone sends a message to us: whether the callback took it."""
        with self.lock:
            self.incoming += 1
            number = self.incoming
        now_ms = time.time_ns() // 1_000_000
        identity = f"sim-in-{now_ms}-{number}"
        return self.call_back({"incoming": [{"id": identity, "from": sender, "text": text, "time_ms": now_ms}]})

    def call_back(self, content: dict[str, Any]) -> bool:
        """Post to the callback, signed, some times until it is taken."""
        body = json.dumps(content).encode()
        for attempt in range(CALLBACK_ATTEMPTS):
            seconds = int(time.time())
            mac = hmac.new(self.secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
            headers = {"Content-Type": "application/json", "X-Cardswitch-Signature": f"t={seconds},v1={mac}"}
            request = urllib.request.Request(self.callback, body, headers)
            try:
                with urllib.request.urlopen(request, timeout=CALLBACK_TIMEOUT_S):
                    return True
            except (OSError, urllib.error.URLError):
                time.sleep(CALLBACK_PAUSE_S * (attempt + 1))
        return False


class SmsGateway(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True

    def __init__(self, host: str, port: int, network: Network) -> None:
        super().__init__((host, port), _Handler)
        network.recall()
        self.network = network


class _Handler(BaseHTTPRequestHandler):
    server: SmsGateway
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        network = self.server.network
        body = self.rfile.read(min(int(self.headers.get("content-length") or 0), BODY_BYTES_MAX))
        with network.lock:
            network.requests += 1
            is_busy = network.rules.busy_every and network.requests % network.rules.busy_every == 0
        try:
            content = json.loads(body)
            if self.path == "/incoming":
                is_taken = network.receive(str(content["from"]), str(content["text"]))
                self._answer(200 if is_taken else 502, {"taken": is_taken})
                return
            if self.path != "/messages":
                self._answer(404, {"problem": "expected /messages or /incoming"})
                return
            if network.token and self.headers.get("authorization") != f"Bearer {network.token}":
                self._answer(401, {"problem": "expected the token that this simulator was started with"})
                return
            if is_busy:
                self._answer(503, {"problem": "busy, as its rule says"})
                return
            results = [network.take(sent) for sent in content["messages"]]
        except (ValueError, KeyError, TypeError) as error:
            self._answer(400, {"problem": f"{type(error).__name__}: {error}"})
            return
        time.sleep(network.rules.delay_ms / 1000)
        taken = [result["reference"] for result in results if result["status"] == "accepted"]
        if taken:
            threading.Thread(target=network.settle, args=(taken,), daemon=True).start()
        self._answer(200, {"results": results})

    def do_GET(self) -> None:
        network = self.server.network
        with network.lock:
            rows = [asdict(kept) for kept in network.messages.values()]
        if self.path == "/messages":
            self._answer(200, {"messages": rows})
            return
        lines = "".join(
            f"<tr><td>{escape(row['id'])}<td>{escape(row['to'])}<td>{escape(row['text'])}<td>{row['parts']}"
            f"<td>{escape(row['state'])}<td>{row['repeats']}</tr>"
            for row in rows[-SHOWN_MAX:][::-1]
        )
        page = (
            "<!doctype html><html lang=en><meta charset=utf-8><title>SMS gateway simulator</title>"
            "<h1>SMS gateway simulator</h1><p>It stands for a network; no telephone hears of anything.</p>"
            "<table border=1><tr><th>No.<th>To<th>Text<th>Parts<th>State<th>Handed over again</tr>"
            f"{lines}</table>"
        ).encode()
        self._send(200, "text/html; charset=utf-8", page)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content, ensure_ascii=False).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what came is on the page."""
