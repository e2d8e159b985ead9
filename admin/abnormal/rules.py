"""What people do with rules and hits: define, switch off, acknowledge, clear, confirm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, false, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.mirror import stores
from admin.models.security import AbnormalHit, AbnormalRule, AbnormalState
from admin.service import Service

from .patterns import PATTERNS

_ = str
STATES: dict[str, str] = {
    AbnormalState.NEW: _("New"),
    AbnormalState.ACKNOWLEDGED: _("Acknowledged"),
    AbnormalState.CLEARED: _("No fraud"),
    AbnormalState.CONFIRMED: _("Confirmed"),
}
MODULE = "abnormal"
RULES_MAX = 100
"""Each is asked about every entry."""
MINUTES_MAX = 366 * 24 * 60
MOVES: dict[str, tuple[str, ...]] = {
    AbnormalState.ACKNOWLEDGED: (AbnormalState.NEW,),
    AbnormalState.CLEARED: (AbnormalState.NEW, AbnormalState.ACKNOWLEDGED),
    AbnormalState.CONFIRMED: (AbnormalState.NEW, AbnormalState.ACKNOWLEDGED),
}
"""States that a hit may come from."""


def _stores(context: FormContext) -> dict[int | str, str]:
    from admin.store_names import store_choices

    return {0: translate("All stores"), **store_choices(context)}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as people fill it in."""

    name: Annotated[str, entry(_("Name"), min_length=1, max_length=80)]
    pattern: Annotated[
        str, entry(_("What it looks for"), "choice", choices={name: one.label for name, one in PATTERNS.items()})
    ]
    count_min: Annotated[int, entry(_("How many times"), "integer", ge=0, le=1_000_000)] = 0
    amount_minor: Annotated[int, entry(_("Amount"), "money", ge=0)] = 0
    minutes: Annotated[int, entry(_("Within minutes"), "integer", ge=0, le=MINUTES_MAX)] = 0
    from_minute: Annotated[int, entry(_("From (time of day)"), "minute")] = 0
    until_minute: Annotated[int, entry(_("Until (time of day)"), "minute")] = 0
    store_id: Annotated[int, entry(_("Store"), "choice", choices=_stores)] = 0
    is_enabled: Annotated[bool, entry(_("In use"), "check")] = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """What a pattern needs."""
        for name in PATTERNS[self.pattern].uses if self.pattern in PATTERNS else ():
            if getattr(self, name) <= 0:
                yield name, translate("This pattern needs it.")
        if self.pattern == "night" and self.from_minute == self.until_minute:
            yield "until_minute", translate("This pattern needs two different times.")


def rules_seen(session: Session, visitor: Visitor) -> Sequence[AbnormalRule]:
    """All rules, of all stores or of the visitor's."""
    query = select(AbnormalRule).order_by(AbnormalRule.id)
    if not visitor.sees_everything:
        query = query.where(or_(AbnormalRule.store_id == 0, AbnormalRule.store_id.in_(_own_stores(visitor))))
    return session.scalars(query).all()


def hits_seen(visitor: Visitor, query: Select[Any]) -> Select[Any]:
    """A question about hits: those of the visitor's stores."""
    if visitor.sees_everything:
        return query
    own = _own_stores(visitor)
    return query.where(or_(AbnormalHit.store_id.in_(own), AbnormalHit.other_store_id.in_(own)))


def _own_stores(visitor: Visitor) -> Select[Any]:
    return visitor.stores_seen(select(stores.c.store_id))


def put_rule(service: Service, visitor: Visitor, rule_id: int | None, form: Rule) -> int:
    """Make or change a rule; it counts for entries from now on."""
    with service.database.write() as session:
        if not visitor.sees_everything and session.scalar(
            visitor.stores_seen(select(stores.c.store_id).where(stores.c.store_id == form.store_id))
        ) is None:  # fmt: skip
            raise RefusedError("Choose a store of your part of the organisation.")
        if rule_id is None:
            if len(session.scalars(select(AbnormalRule.id)).all()) >= RULES_MAX:
                raise RefusedError("There are {count} rules already. Change one of them.", count=RULES_MAX)
            rule = AbnormalRule(made_by=visitor.user_id, made_at=service.now(), **msgspec.structs.asdict(form))
            session.add(rule)
            session.flush()
            before: dict[str, Any] = {}
        else:
            rule = _rule(session, visitor, rule_id)
            before = {name: getattr(rule, name) for name in form.__struct_fields__}
            for name, value in msgspec.structs.asdict(form).items():
                setattr(rule, name, value)
        after = msgspec.structs.asdict(form)
        service.audit.append(
            session,
            visitor,
            MODULE,
            "add" if rule_id is None else "change",
            f"abnormal rule {rule.id}",
            before={name: value for name, value in before.items() if after[name] != value},
            after={name: value for name, value in after.items() if before.get(name) != value},
        )
        return rule.id


def _rule(session: Session, visitor: Visitor, rule_id: int) -> AbnormalRule:
    found = session.get(AbnormalRule, rule_id)
    if found is None or found not in rules_seen(session, visitor):
        raise RefusedError("There is no such rule.")
    if not visitor.sees_everything and not found.store_id:
        raise RefusedError("This rule is of the whole group.")
    return found


def handle_hit(service: Service, visitor: Visitor, hit_id: int, state: str, reason: str) -> None:
    """Move a hit on; clearing and confirming say why."""
    if state not in MOVES:
        raise RefusedError("There is no such state.")
    if state != AbnormalState.ACKNOWLEDGED and not reason.strip():
        raise RefusedError("Say why.")
    with service.database.write() as session:
        query = hits_seen(visitor, select(AbnormalHit).where(AbnormalHit.id == hit_id)).with_for_update()
        hit: AbnormalHit | None = session.scalar(query)
        if hit is None:
            raise RefusedError("There is no such finding.")
        if hit.state not in MOVES[state]:
            raise RefusedError("Somebody else has handled it. Look at it again.")
        before = hit.state
        hit.state, hit.handled_by, hit.handled_at = state, visitor.user_id, service.now()
        hit.reason = reason.strip()[:200] or hit.reason
        detail = {"before": before, "after": state, "reason": hit.reason}
        service.audit.append(session, visitor, MODULE, "change", f"abnormal {hit.id}", **detail)


def hits_page(
    session: Session, visitor: Visitor, *, state: str, rule_id: int | None, before: int | None, limit: int
) -> Sequence[Any]:
    """Hits with the names of their rules, newest first; one more than `limit` where there are more."""
    query: Any = select(AbnormalHit, AbnormalRule.name, AbnormalRule.pattern).join(
        AbnormalRule, AbnormalRule.id == AbnormalHit.rule_id
    )
    query = hits_seen(visitor, query).order_by(AbnormalHit.id.desc()).limit(limit + 1)
    if state:
        query = query.where(AbnormalHit.state == state if state in set(AbnormalState) else false())
    if rule_id:
        query = query.where(AbnormalHit.rule_id == rule_id)
    if before:
        query = query.where(AbnormalHit.id < before)
    return session.execute(query).all()
