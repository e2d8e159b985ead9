"""The JSON interface before a real switch: documents by programs, agreed to by two, and webhooks that tell of it."""

import hashlib
import hmac
import json
import re

import pytest
from sqlalchemy import select

from admin.models.mirror import accounts, cards
from admin.webhooks.delivering import Answer, deliver_due
from admin.webhooks.feeding import feed
from admin.webhooks.subscriptions import make_subscription
from switch.protocol.messages import CardStatus
from switch.protocol.terms import RechargeChannel

both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def status_of(shop, number):
    with shop.database.read() as session:
        return session.scalar(select(cards.c.status).where(cards.c.card_number == number))


@both
def test_a_program_freezes_a_card_another_person_lets_it_go_and_a_webhook_tells(shop, card_numbers):
    card = next(card_numbers)
    reference = shop.app.state.references.make(card)
    for name in ("maria", "chen", "finn"):
        shop.add_user(name, "finance" if name == "finn" else "hq-supervisor")
    shop.add_user("boss", "administrator")
    kinds = ["card.status-changed", "document.finished"]
    _, secret = make_subscription(
        shop.service, shop.visitor("boss"), name="books", address="http://127.0.0.1:9/", events=kinds
    )
    maria_token, chen_token = shop.token("maria"), shop.token("chen")
    with shop.program(maria_token) as program:
        body = {"cards": reference, "reason": 7}
        plan = program.post("/api/v1/documents/freeze-cards/preview", json=body).json()
        assert (plan["item_count"], plan["needs_second_person"], plan["skipped"]) == (1, False, [])
        assert plan["requests"][0]["card_reference"] == reference
        key = {"idempotency-key": "order-1"}
        made = program.post("/api/v1/documents/freeze-cards?remark=lost", json=body, headers=key)
        assert made.status_code == 201, made.text
        again = program.post("/api/v1/documents/freeze-cards?remark=lost", json=body, headers=key)
        assert again.json()["id"] == made.json()["id"]
        shop.settle()
        number = made.json()["id"]
        done = program.get(f"/api/v1/documents/{number}").json()
        assert (done["state"], done["done_count"], done["remark"]) == ("done", 1, "lost")
        (step,) = program.get(f"/api/v1/documents/{number}/steps").json()["rows"]
        assert (step["card_reference"], step["code_name"], step["type"]) == (reference, "approved", "operate-card")
        assert status_of(shop, card) == CardStatus.FROZEN
        nothing = program.post("/api/v1/documents/freeze-cards", json=body)
        assert nothing.status_code == 409 and "nothing to do" in nothing.json()["detail"]
        wrong = program.post("/api/v1/documents/freeze-cards", json={"cards": reference, "reason": 999})
        assert wrong.status_code == 400 and "reason" in wrong.json()["detail"]

        undo = program.post(f"/api/v1/documents/{number}/undo", json={})
        assert undo.status_code == 200, undo.text
        assert undo.json()["state"] == "submitted" and undo.json()["undoes_id"] == number
        own = program.post(f"/api/v1/documents/{undo.json()['id']}/approve", json={})
        assert own.status_code == 409 and "second person" in own.json()["detail"]
        assert program.post(f"/api/v1/documents/{number}/dance", json={}).status_code == 404
    with shop.program(shop.token("finn")) as program:
        refused = program.post(f"/api/v1/documents/{undo.json()['id']}/approve", json={})
        assert refused.status_code == 403 and "cards.approve" in refused.json()["detail"]
        assert program.post("/api/v1/documents/freeze-cards", json=body).status_code == 403
    with shop.program(chen_token) as program:
        waiting = program.get("/api/v1/documents?waits_for_me=true").json()["rows"]
        assert [one["id"] for one in waiting] == [undo.json()["id"]]
        assert program.post(f"/api/v1/documents/{undo.json()['id']}/approve", json={"answer": "ok"}).status_code == 200
        shop.settle()
        assert program.get(f"/api/v1/documents/{undo.json()['id']}").json()["state"] == "done"
    assert status_of(shop, card) == CardStatus.ACTIVE

    feed(shop.service, shop.app.state.references)
    got = []

    def send(_target, _address, body, headers, _timeout_s):
        got.append((body, headers))
        return Answer(204)

    assert deliver_due(shop.service, 1, send) == 4
    told = [json.loads(body) for body, _ in got]
    assert [one["kind"] for one in told] == [*["card.status-changed"] * 2, *["document.finished"] * 2]
    assert [one["data"].get("operation") for one in told[:2]] == ["freeze", "unfreeze"]
    assert all(str(card) not in body.decode() for body, _ in got)
    body, headers = got[0]
    ((seconds, mac),) = re.findall(r"^t=(\d+),v1=([0-9a-f]{64})$", headers["X-Cardswitch-Signature"])
    assert mac == hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


@pytest.mark.feature("GJ-043")
def test_a_holder_recharges_on_a_web_page_which_asks_the_interface_once_or_twice(shop, card_numbers):
    """The web page's program has a token that recharges and nothing else; the payment's number makes it once."""
    card = next(card_numbers)
    shop.add_user("web", "finance")
    token = shop.token("web", "money.add", "documents.view")
    payment = {"channel": int(RechargeChannel.INTERNET), "reference": "PAY20260101"}
    body = {"card": str(card), "amount_minor": 25_00, **payment}
    with shop.program(token) as program:
        plan = program.post("/api/v1/documents/recharge-card/preview", json=body).json()
        assert (plan["amount_minor"], plan["needs_second_person"]) == (25_00, False)
        key = {"idempotency-key": "PAY20260101"}
        made = [program.post("/api/v1/documents/recharge-card", json=body, headers=key).json() for _ in range(2)]
        assert made[0]["id"] == made[1]["id"]
        shop.settle()
        done = program.get(f"/api/v1/documents/{made[0]['id']}").json()
        assert (done["state"], done["amount_minor"]) == ("done", 25_00)
        (step,) = program.get(f"/api/v1/documents/{made[0]['id']}/steps").json()["rows"]
        assert (step["code_name"], step["balance_minor"]) == ("approved", 125_00)
        assert str(card) not in str(step)
        # The same payment under another key: the switch itself credits a payment once.
        program.post("/api/v1/documents/recharge-card", json=body, headers={"idempotency-key": "other"})
        shop.settle()
        for address in ("cards", "members", "money"):
            assert program.get(f"/api/v1/{address}").status_code == 403
    with shop.database.read() as session:
        query = select(accounts.c.balance_minor).join(cards, cards.c.account_number == accounts.c.account_number)
        assert session.scalar(query.where(cards.c.card_number == card)) == 125_00
