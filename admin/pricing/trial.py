"""Trying a bill: the switch says what it would cost and earn, by the rules in force; nothing is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.documents.terminals import HEADQUARTERS, key_path, terminal_id_of
from admin.errors import RefusedError, SwitchLinkError
from admin.forms import entry
from admin.i18n import translate
from admin.models.mirror import accounts, card_types, cards, switches
from admin.points.void_kinds import LINES_HINT, SETTLEMENTS, bill_lines
from admin.service import Service
from admin.store_names import store_choices
from admin.switch_link import SwitchLink
from switch.protocol.messages import (
    BillLine,
    DebitFlag,
    DebitRequest,
    LineResult,
    MessageType,
    Reply,
    RuleLayer,
    Tender,
    TenderKind,
)
from switch.protocol.terms import AMOUNT_MINOR_MAX

from .rules import Bill, layers_of, rules_of, set_in_force
from .wording import LAYERS, names_of, rule_in_words

Connect = Callable[[int], SwitchLink]
_ = str


class TrialForm(msgspec.Struct, frozen=True, kw_only=True):
    """A bill to try."""

    card: Annotated[int, entry(_("Card"), "card", hint=_("Its type, level and balance count; nothing is taken."))]
    store: Annotated[int, entry(_("Store"), "choice", choices=store_choices)] = 0
    settlement: Annotated[int, entry(_("Paid by"), "choice", choices=SETTLEMENTS)] = 0
    lines: Annotated[str, entry(_("Lines of the bill"), "area", hint=LINES_HINT)]
    is_priced: Annotated[
        bool, entry(_("Prices come from the price list"), "check", hint=_("Then the lines need no amount."))
    ] = False
    cash_minor: (
        Annotated[
            int, entry(_("Cash handed over"), "money", hint=_("Shows rounding and change."), ge=0, le=AMOUNT_MINOR_MAX)
        ]
        | None
    ) = None
    ruleset: Annotated[
        int, entry(_("Name rules of set"), "integer", ge=0, le=2**32 - 1, hint=_("Empty: of the set in force."))
    ] = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial."""

    reply: Reply
    is_as_headquarters: bool
    """The service has no terminal in the store yet: what is of that store alone did not count."""
    ruleset: int
    is_set_in_force: bool
    lines: Sequence[tuple[BillLine, LineResult | None, Sequence[tuple[str, Sequence[str]]]]]
    """(line, what the switch made of it, (layer, rules in words, the one that counts first))"""


def try_bill(service: Service, visitor: Visitor, connect: Connect, form: TrialForm) -> Outcome:
    """Ask the switch; `RefusedError` when it cannot be asked."""
    lines = bill_lines(form.lines)
    if not lines:
        raise RefusedError("A bill has at least one line.")
    if form.is_priced:
        lines = tuple(msgspec.structs.replace(line, amount_minor=0) for line in lines)
    store = form.store if key_path(service.settings, form.store).exists() else HEADQUARTERS
    with service.database.read() as session:
        query = visitor.cards_seen(select(cards).where(cards.c.card_number == form.card))
        card = session.execute(query).first()
        if card is None:
            raise RefusedError("There is no such card in your part of the organisation.")
    request = DebitRequest(
        trace_number=0,
        business_date=0,
        stamp_ms=service.surroundings.now_ms(),
        card_number=form.card,
        amount_minor=sum(line.amount_minor for line in lines),
        flags=DebitFlag.PRICED if form.is_priced else 0,
        settlement=form.settlement,
        lines=lines,
        tenders=() if form.cash_minor is None else (Tender(kind=TenderKind.CASH, amount_minor=form.cash_minor),),
    )
    try:
        with connect(store) as link:
            reply = link.ask(MessageType.QUOTE, request)
            business_date = link.terms.business_date
    except SwitchLinkError:
        raise RefusedError("The switch cannot be reached just now. Try again in a moment.") from None
    if not isinstance(reply, Reply):
        raise RefusedError("The switch could not read this bill.")
    with service.database.read() as session:
        in_force = set_in_force(session, business_date)
        ruleset = form.ruleset or in_force
        bill = bill_at(
            session,
            service.surroundings.now_ms(),
            account_number=card.account_number,
            card_type=card.card_type,
            store_id=store,
            settlement=form.settlement,
            business_date=business_date,
            bill_minor=request.amount_minor,
        )
        named = [list(_named(session, ruleset, line, bill)) for line in lines]
    results = list(reply.lines)[: len(lines)]
    return Outcome(
        reply,
        store != form.store,
        ruleset,
        ruleset == in_force,
        [
            (line, results[n] if n < len(results) else None, rules)
            for n, (line, rules) in enumerate(zip(lines, named, strict=True))
        ],
    )


def bill_at(
    session: Session,
    now_ms: int,
    *,
    account_number: int,
    card_type: int,
    store_id: int,
    settlement: int,
    business_date: int,
    bill_minor: int,
) -> Bill:
    """What rules ask for of a bill at this minute, besides its lines."""
    account = session.execute(select(accounts).where(accounts.c.account_number == account_number)).first()
    type_level = session.scalar(
        select(card_types.c.level)
        .where(card_types.c.code == card_type, card_types.c.from_date <= business_date)
        .order_by(card_types.c.from_date.desc())
        .limit(1)
    )
    bill = Bill(
        card_type=card_type,
        level=(account.level if account else 0) or int(type_level or 0),
        segments=account.segments if account else 0,
        store_id=store_id,
        terminal_id=terminal_id_of(store_id),
        settlement=settlement,
        business_date=business_date,
        minute=0,
        bill_minor=bill_minor,
    )
    return _at(bill, session, now_ms)


def _at(bill: Bill, session: Session, now_ms: int) -> Bill:
    """The bill at the minute of the switch's local time."""
    timezone = session.scalar(select(switches.c.timezone).limit(1)) or "UTC"
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(timezone))
    return replace(bill, minute=local.hour * 60 + local.minute)


def _named(session: Session, ruleset: int, line: BillLine, bill: Bill) -> Iterator[tuple[str, Sequence[str]]]:
    names = names_of(session)
    for layer, found in layers_of(rules_of(session, ruleset), line, bill):
        words = [f"{rule.rule}: {rule_in_words(rule, names)}" for rule in found]
        yield translate(LAYERS[RuleLayer(layer)]), words
