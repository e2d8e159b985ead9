"""A sender that is killed in the middle of a batch: another process goes on, and each card is issued exactly once."""

import os
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, select

from admin.models.documents import Document, DocumentState, StepState
from admin.models.journal import entries
from admin.models.mirror import accounts, cards
from admin.settings import ENVIRONMENT_PREFIX, SETTINGS_FILE_VARIABLE
from switch.protocol.card_terms import CardOperation
from switch.protocol.messages import CardStatus
from tests.support.admin_card_desk import approve, authorise, document_of, make_type, order, steps_of
from tests.support.switch_process import ROOT

CARD_COUNT, VALUE_MINOR = 400, 700
WAIT_S, LOOK_S = 60, 0.002


def start_sender(shop):
    """The sender as it runs in an installation, on the test's database."""
    environment = {
        **os.environ,
        SETTINGS_FILE_VARIABLE: str(shop.switch.data / "admin" / "admin.toml"),
        f"{ENVIRONMENT_PREFIX}DATABASE_URL": shop.database.url.render_as_string(hide_password=False),
    }
    return subprocess.Popen([sys.executable, "-m", "admin.documents.sender"], cwd=ROOT, env=environment)


def wait_until(shop, place, is_reached):
    """Look at a document until it is so."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        document = document_of(shop, place)
        if is_reached(document):
            return document
        time.sleep(LOOK_S)
    raise AssertionError(f"document {place}: {document.state}, {document.done_count} done")


@pytest.mark.feature("HD-050")
def test_a_batch_issue_whose_sender_is_killed_is_done_exactly_once(shop, monkeypatch):
    user_id = shop.add_user("maria", "hq-supervisor", totp=True)
    shop.add_user("chen", "hq-supervisor", totp=True)
    first = 6222_5000_0000_0001
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        make_type(maria, chen, 50)
        authorise(shop, "chen", user_id, 50)
        order(maria, "make-cards", card_type=50, first=first, count=2 * CARD_COUNT)
        numbers = [first + 2 * n for n in range(CARD_COUNT)]  # with gaps: each is a request of its own
        shop.sender.close()
        monkeypatch.setattr(shop, "settle", lambda: None)
        lines = "\n".join(map(str, numbers))
        place = order(maria, "issue-cards", cards=lines, value_minor=f"{VALUE_MINOR / 100}", tender="1")
        approve(chen, place)
        sender = start_sender(shop)
        try:
            wait_until(shop, place, lambda document: document.done_count)
            sender.kill()
            sender.wait()
            before = document_of(shop, place)
            assert before.state == DocumentState.RUNNING and 0 < before.done_count < CARD_COUNT
            sender = start_sender(shop)
            after = wait_until(shop, place, lambda document: document.state != DocumentState.RUNNING)
        finally:
            sender.terminate()
            sender.wait()
    assert (after.state, after.done_count, after.skipped_count, after.refused_count) == ("done", CARD_COUNT, 0, 0)
    assert {step.state for step in steps_of(shop, place)} == {StepState.DONE}
    shop.follower.catch_up()
    with shop.database.read() as session:
        issued = entries.c.card_number.between(first, first + 2 * CARD_COUNT)
        count, value = session.execute(
            select(func.count(), func.sum(entries.c.value_minor)).where(
                issued, entries.c.operation == CardOperation.ISSUE
            )
        ).one()
        assert (count, value) == (CARD_COUNT, CARD_COUNT * VALUE_MINOR)
        active = select(func.count()).where(cards.c.card_type == 50, cards.c.status == CardStatus.ACTIVE)
        assert session.scalar(active) == CARD_COUNT
        held = select(func.sum(accounts.c.balance_minor)).where(
            accounts.c.account_number.between(first, first + 2 * CARD_COUNT)
        )
        assert session.scalar(held) == CARD_COUNT * VALUE_MINOR
        assert session.scalar(select(func.count()).select_from(Document).where(Document.kind == "issue-cards")) == 1
