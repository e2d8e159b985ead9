"""Short messages for tests: members with telephones, a gateway that runs here, callbacks that it signs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert, select

from admin.members.keys import PHONE
from admin.members.seals import Vault
from admin.messaging.connecting import GatewayForm, gateway_of, new_secret, save_gateway, secret_of
from admin.messaging.sender import Sender
from admin.models.members import Member, MemberContact, member_keys
from admin.models.messaging import MemberWish, ShortMessage, Willing
from admin.webhooks.delivering import signature
from loadtests.sms_gateway import Network, Rules, SmsGateway
from tests.support.admin_office import Browser, Office

FIRST_MEMBER = 5_000_001
CALLBACK = "/api/gateway/callback"
NO_RULES = Rules()


def put_members(
    office: Office,
    count: int,
    *,
    organisation_id: int = 0,
    willing: int = Willing.YES,
    first: int = FIRST_MEMBER,
    **wish: Any,
) -> list[int]:
    """Members with a mobile telephone each; their numbers."""
    vault, now = Vault(office.service), office.service.now()
    numbers = list(range(first, first + count))
    with office.database.write() as session:
        session.add_all(
            Member(
                id=number, organisation_id=organisation_id, name=f"Member {number}", created_at=now,
                created_by=0, changed_at=now, birth_date=19800101, birth_day=101,
            )
            for number in numbers
        )  # fmt: skip
        session.flush()
        for number in numbers:
            phone = phone_of(number)
            session.add(
                MemberContact(
                    member_id=number, place=1, kind="mobile", value_sealed=vault.seal_contact(number, 1, phone),
                    is_preferred=True,
                )
            )  # fmt: skip
            session.execute(insert(member_keys).values(key=PHONE + vault.blind(PHONE, phone), member_id=number))
            if willing:
                values: dict[str, Any] = {"channel": "message", "from_minute": 0, "until_minute": 1440, **wish}
                session.add(MemberWish(member_id=number, willing=willing, changed_at=now, **values))
    return numbers


def phone_of(number: int) -> str:
    """The telephone of a member that `put_members` has made."""
    return f"1390{number}"


@contextmanager
def simulator(rules: Rules = NO_RULES, log: Path | None = None) -> Iterator[tuple[SmsGateway, str]]:
    """(server, address) of a simulated gateway in this process."""
    server = SmsGateway("127.0.0.1", 0, Network(rules, "tok", log=log))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/messages"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connect(office: Office, name: str, address: str, **fields: Any) -> None:
    """Connect a gateway, as a user does who may."""
    values: dict[str, Any] = {"address": address, "token": "tok", "is_enabled": True, **fields}
    save_gateway(office.service, office.visitor(name), GatewayForm(**values))
    new_secret(office.service, office.visitor(name))


def look(office: Office) -> None:
    """One round of the sender."""
    Sender(office.service).look()


def messages_in(office: Office) -> Sequence[ShortMessage]:
    """The whole outbox, in its order."""
    with office.database.read() as session:
        rows = list(session.scalars(select(ShortMessage).order_by(ShortMessage.id)))
        session.expunge_all()
        return rows


def call_back(office: Office, browser: Browser, content: object, *, age_s: int = 0, secret: str = "") -> httpx.Response:
    """What a gateway tells, signed."""
    with office.database.read() as session:
        secret = secret or secret_of(office.service, gateway_of(session))
    body = json.dumps(content).encode()
    header = signature(secret.encode(), office.world.now_ms // 1000 - age_s, body)
    answer: httpx.Response = browser.client.post(
        CALLBACK, content=body, headers={"x-cardswitch-signature": header, "content-type": "application/json"}
    )
    return answer
