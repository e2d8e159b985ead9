"""A message after each purchase, for members who want it: made of the entries that the follower has written.

The switch has answered its till long before.  The place that was reached and
the messages are one transaction, and each entry can have one message: killed
anywhere, or run twice, nobody hears twice of a purchase.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from admin.database import from_ms, to_ms
from admin.errors import RefusedError
from admin.i18n import money, points
from admin.members.groups import GONE
from admin.members.holdings import owners
from admin.members.seals import Vault
from admin.members.totals import APPROVED, PURCHASES
from admin.models.journal import entries
from admin.models.members import Member
from admin.models.messaging import MemberWish, MessagePosition, MessageTemplate, ShortMessage
from admin.service import Service
from admin.store_names import names_of

from .connecting import gateway_of
from .hours import first_within, shown
from .merging import FIELDS, fields_in, merged, values_of
from .outbox import PURCHASE, mobiles_of, new_message
from .text import PARTS_MAX, measured
from .wishes import needs_yes, wants_purchases_condition
from .writing import signed

POSITION = "purchases"
SPAN_IDS = 200_000 << 10
"""Entries that one look reaches over, in their ids: a rush at the tills must not make one look long."""
ROWS_MAX = 500
AGE_MS_MAX = 24 * 3_600_000
"""Nobody wants to hear of a purchase of the day before yesterday, when the follower catches up."""


def follow_purchases(service: Service, vault: Vault) -> int:
    """Make messages of the purchases that came since; how many. The first look begins with what comes behind it."""
    with service.database.read() as session:
        position = session.get(MessagePosition, POSITION)
        newest = int(session.scalar(select(func.max(entries.c.id))) or 0)
        if position is not None and newest <= position.position:
            return 0
        start = position.position if position else -1
        messages, end = _messages(service, vault, session, start, newest) if position else ([], newest)
    with service.database.write() as session:
        if start < 0:
            if session.get(MessagePosition, POSITION) is None:
                session.add(MessagePosition(name=POSITION, position=end))
            return 0
        moved: Any = session.execute(
            update(MessagePosition)
            .where(MessagePosition.name == POSITION, MessagePosition.position == start)
            .values(position=end)
            .execution_options(synchronize_session=False)
        )
        if moved.rowcount != 1:
            return 0  # another process was faster
        known = set(
            session.scalars(
                select(ShortMessage.source_key).where(
                    ShortMessage.source_key.in_([message.source_key for message in messages])
                )
            )
        )  # tables that were rebuilt have the entries again
        fresh = [message for message in messages if message.source_key not in known]
        session.add_all(fresh)
    return len(fresh)


def _messages(
    service: Service, vault: Vault, session: Session, start: int, newest: int
) -> tuple[list[ShortMessage], int]:
    """(messages of entries behind a place, the place that was reached)"""
    end = min(newest, start + SPAN_IDS)
    gateway = gateway_of(session)
    template = session.get(MessageTemplate, gateway.purchase_template_id) if gateway.purchase_template_id else None
    if template is None:
        return [], end
    held = owners()
    wants = select(MemberWish.member_id).where(wants_purchases_condition(needs_yes=needs_yes(service)))
    oldest_ms = to_ms(service.now()) - AGE_MS_MAX
    query = (
        select(entries, held.c.member_id)
        .join(held, held.c.account_number == entries.c.account_number)
        .where(
            entries.c.id > start,
            entries.c.id <= end,
            entries.c.part == 0,
            entries.c.type.in_(PURCHASES),
            entries.c.code.in_(APPROVED),
            entries.c.account_number != 0,
            held.c.member_id.in_(wants),
        )
        .order_by(entries.c.id)
        .limit(ROWS_MAX)
    )
    rows = session.execute(query).all()
    if len(rows) == ROWS_MAX:
        end = rows[-1].id
    rows = [row for row in rows if row.time_ms >= oldest_ms]
    return _made(service, vault, session, template.body, gateway.signature, rows) if rows else [], end


def _made(
    service: Service, vault: Vault, session: Session, body: str, signature: str, rows: Sequence[Any]
) -> list[ShortMessage]:
    numbers = sorted({int(row.member_id) for row in rows})
    members = {
        member.id: member
        for member in session.scalars(select(Member).where(Member.id.in_(numbers), Member.state.not_in(GONE)))
    }
    currency, zone = service.settings.currency, service.zone.now()
    try:
        fields = fields_in(body)
    except RefusedError:  # a field of an older version
        return []
    values = values_of(session, list(members.values()), fields, currency)
    phones = mobiles_of(session, vault, numbers)
    wishes = {
        row.member_id: row for row in session.scalars(select(MemberWish).where(MemberWish.member_id.in_(numbers)))
    }
    names = names_of(session)
    made = []
    for row in rows:
        member, phone = members.get(row.member_id), phones.get(row.member_id)
        if member is None or phone is None:
            continue
        own = values[member.id] | {
            "amount": money(row.amount_minor, currency),
            "balance": money(row.balance_minor, currency),
            "shop": names.get(row.store_id) or str(row.store_id),
            "time": shown(from_ms(row.time_ms), zone),
        }
        own.setdefault("points", points(0))
        text = signed(signature, merged(body, own).text)
        if len(measured(text).parts) > PARTS_MAX:
            continue
        wish = wishes[member.id]
        made.append(
            new_message(
                service,
                vault,
                zone,
                member,
                phone,
                text,
                source=PURCHASE,
                source_key=f"entry {row.sequence}",
                send_at=first_within(service.now(), wish.from_minute, wish.until_minute, zone),
            )
        )
    return made


PURCHASE_FIELDS = [field.key for field in FIELDS.values() if field.is_of_purchase]
"""Fields that only a text after a purchase may have."""
