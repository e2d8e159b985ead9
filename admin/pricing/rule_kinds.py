"""Changing rules: into a draft set, out of it, a whole set into a new one, and a set into force."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, func, select

from admin.documents.kind import Kind, Planning, always
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.mirror import rules, rulesets
from admin.points.purses import all_categories
from admin.points.void_kinds import SETTLEMENTS, type_choices
from admin.store_names import store_choices
from switch.protocol.messages import MessageType, PutRuleRequest, RuleAction, RuleLayer, RulesetState

from .rules import rules_of
from .wording import ACTIONS, LAYERS, SEGMENTS, WEEKDAYS, names_of, rule_in_words, segments_of

U16_MAX, U32_MAX = 2**16 - 1, 2**32 - 1
SETTLEMENT_BITS: dict[int | str, str] = {1 << int(number): label for number, label in SETTLEMENTS.items()}
POINTS_PERCENT = 100
"""Forms take percent with two decimals; points know whole percent."""
COPIED = frozenset(PutRuleRequest.__struct_fields__) & {column.name for column in rules.columns}
_ = str


def draft_choices(context: FormContext) -> Mapping[int | str, str]:
    """Sets that are not active yet."""
    query = select(rulesets.c.ruleset).where(rulesets.c.state == RulesetState.DRAFT).order_by(rulesets.c.ruleset)
    return {number: str(number) for number in context.session.scalars(query)}


def set_choices(context: FormContext) -> Mapping[int | str, str]:
    """All sets."""
    return {number: str(number) for number in context.session.scalars(select(rulesets.c.ruleset))}


class RuleForm(msgspec.Struct, frozen=True, kw_only=True):
    """One rule; what is left empty asks for nothing."""

    ruleset: Annotated[
        int, entry(_("Set"), "integer", ge=1, le=U32_MAX, hint=_("One that is not active; a new number makes it."))
    ]
    rule: Annotated[
        int, entry(_("Number of the rule"), "integer", ge=0, le=U16_MAX, hint=_("0: the next one of the set."))
    ] = 0
    layer: Annotated[int, entry(_("What it is about"), "choice", choices=LAYERS)]
    action: Annotated[int, entry(_("What it gives"), "choice", choices=ACTIONS)] = int(RuleAction.MULTIPLY)
    rate_bp: Annotated[
        int,
        entry(_("Percent"), "percent", ge=0, le=1_000_000, hint=_("Off the price; or of the points: 200 doubles.")),
    ] = 0
    unit_price_minor: Annotated[int, entry(_("Fixed price"), "money", ge=0, le=10**12)] = 0
    card_type: Annotated[int, entry(_("Card type"), "choice", choices=type_choices)] = 0
    level: Annotated[int, entry(_("Level"), "integer", ge=0, le=255)] = 0
    item: Annotated[int, entry(_("Article"), "integer", ge=0, le=2**63 - 1)] = 0
    category: Annotated[int, entry(_("Class of goods"), "integer", ge=0, le=U16_MAX)] = 0
    department: Annotated[int, entry(_("Department of goods"), "integer", ge=0, le=U16_MAX)] = 0
    brand: Annotated[int, entry(_("Brand"), "integer", ge=0, le=U16_MAX)] = 0
    store_id: Annotated[int, entry(_("Store"), "choice", choices=store_choices)] = 0
    terminal_id: Annotated[int, entry(_("Terminal"), "integer", ge=0, le=U32_MAX)] = 0
    from_date: Annotated[int, entry(_("First day"), "date", ge=0)] = 0
    until_date: Annotated[int, entry(_("Last day"), "date", ge=0)] = 0
    weekdays: Annotated[int, entry(_("Days of the week"), "flags", choices=WEEKDAYS)] = 0
    from_minute: Annotated[int, entry(_("From"), "minute", ge=0, le=1439)] = 0
    until_minute: Annotated[int, entry(_("Until"), "minute", ge=0, le=1440)] = 0
    settlements: Annotated[int, entry(_("Paid by"), "flags", choices=SETTLEMENT_BITS)] = 0
    segments: Annotated[
        str, entry(_("Segments"), hint=_("Groups and campaigns by number, 1 to 64, parted by commas."))
    ] = ""
    bill_minor_min: Annotated[int, entry(_("Bill of at least"), "money", ge=0, le=10**12)] = 0
    points_category: Annotated[int, entry(_("Points category"), "choice", choices=all_categories)] = 0
    booking_days: Annotated[int, entry(_("Booked after days"), "integer", ge=0, le=31)] = 0
    priority: Annotated[
        int, entry(_("Priority"), "integer", ge=0, le=U16_MAX, hint=_("Of equally specific rules the higher counts."))
    ] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields; all else the switch says when the set is activated."""
        if self.layer != RuleLayer.DISCOUNT and self.rate_bp % POINTS_PERCENT:
            yield "rate_bp", translate("Points know whole percent only.")
        if self.layer == RuleLayer.DISCOUNT and self.rate_bp > 10_000:
            yield "rate_bp", translate("At most {bound}.").format(bound="100.00")
        if self.layer == RuleLayer.FORBID and self.action != RuleAction.EXCLUDE:
            yield "action", translate("Forbidden goods give nothing.")
        if self.until_date and self.until_date < self.from_date:
            yield "until_date", translate("The last day is before the first.")
        if self.until_minute and self.until_minute <= self.from_minute:
            yield "until_minute", translate("This is before the beginning.")
        if segment_bits(self.segments) is None:
            yield "segments", translate("Numbers from 1 to 64 are expected.")


class RemoveRules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that leave their draft set."""

    ruleset: Annotated[int, entry(_("Set"), "choice", choices=draft_choices)]
    rules: Annotated[str, entry(_("Numbers of the rules"), hint=_("Parted by commas."), pattern=r"^[\d,，\s]+$")]


class CopyRules(msgspec.Struct, frozen=True, kw_only=True):
    """A set into a new one."""

    ruleset: Annotated[int, entry(_("Set to copy"), "choice", choices=set_choices)]
    into: Annotated[int, entry(_("New set"), "integer", ge=1, le=U32_MAX)]


class ActivateRules(msgspec.Struct, frozen=True, kw_only=True):
    """A set that takes force."""

    ruleset: Annotated[int, entry(_("Set"), "choice", choices=draft_choices)]
    from_date: Annotated[
        int,
        entry(_("From this day on"), "date", ge=0, hint=_("Tomorrow or later; the very first set may leave it empty.")),
    ] = 0


def segment_bits(text: str) -> int | None:
    """Numbers from 1 to 64 as bits; None for anything else."""
    bits = 0
    for part in re.split(r"[,，\s]+", text.strip()):
        if not part:
            continue
        if not part.isdecimal() or not 1 <= int(part) <= SEGMENTS:
            return None
        bits |= 1 << (int(part) - 1)
    return bits


def rule_form(row: Row[Any]) -> RuleForm:
    """The form of a rule that there is."""
    same = {name: getattr(row, name) for name in RuleForm.__struct_fields__ if name in COPIED and name != "segments"}
    scale = 1 if row.layer == RuleLayer.DISCOUNT else POINTS_PERCENT
    return RuleForm(**same, rate_bp=row.rate * scale, segments=segments_of(row.segments))


def _must_be_draft(planning: Planning, ruleset: int) -> None:
    state = planning.session.scalar(select(rulesets.c.state).where(rulesets.c.ruleset == ruleset))
    if state == RulesetState.ACTIVE:
        raise RefusedError("An active set is never changed. Copy it into a new one.")


def _plan_rule(planning: Planning, form: RuleForm) -> None:
    _must_be_draft(planning, form.ruleset)
    number = form.rule
    if not number:
        highest = planning.session.scalar(select(func.max(rules.c.rule)).where(rules.c.ruleset == form.ruleset))
        number = int(highest or 0) + 1
    scale = 1 if form.layer == RuleLayer.DISCOUNT else POINTS_PERCENT
    same = {name: getattr(form, name) for name in RuleForm.__struct_fields__ if name in COPIED}
    planning.add(
        MessageType.PUT_RULE,
        subject=f"{form.ruleset}/{number}",
        **{**same, "rule": number, "rate": form.rate_bp // scale, "segments": segment_bits(form.segments) or 0},
    )


def _plan_remove(planning: Planning, form: RemoveRules) -> None:
    there = {row.rule: row for row in rules_of(planning.session, form.ruleset)}
    names = names_of(planning.session)
    for number in dict.fromkeys(int(part) for part in re.split(r"[,，\s]+", form.rules.strip()) if part):
        if number not in there:
            planning.skip(str(number), _("There is no such rule."))
            continue
        planning.add(
            MessageType.PUT_RULE,
            subject=f"{form.ruleset}/{number}: {rule_in_words(there[number], names)}",
            **{**_fields(there[number]), "remove": 1},
        )


def _plan_copy(planning: Planning, form: CopyRules) -> None:
    if planning.session.scalar(select(func.count()).select_from(rules).where(rules.c.ruleset == form.into)):
        raise RefusedError("Set {number} has rules already.", number=form.into)
    _must_be_draft(planning, form.into)
    names = names_of(planning.session)
    for row in rules_of(planning.session, form.ruleset):
        planning.add(
            MessageType.PUT_RULE,
            subject=f"{form.into}/{row.rule}: {rule_in_words(row, names)}",
            **{**_fields(row), "ruleset": form.into},
        )


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COPIED}


def _plan_activate(planning: Planning, form: ActivateRules) -> None:
    count = len(rules_of(planning.session, form.ruleset))
    planning.add(
        MessageType.ACTIVATE_RULES,
        subject=str(form.ruleset),
        ruleset=form.ruleset,
        from_date=form.from_date,
        rule_count=count,
    )


KINDS: list[Kind[Any]] = [
    Kind(
        name="put-rule",
        label=_("Write a rule"),
        hint=_("Into a set that is not active; it counts once the set is."),
        function="rules",
        form=RuleForm,
        plan=_plan_rule,
    ),
    Kind(
        name="remove-rules",
        label=_("Take rules out of a set"),
        hint=_("Out of a set that is not active."),
        function="rules",
        form=RemoveRules,
        plan=_plan_remove,
    ),
    Kind(
        name="copy-rules",
        label=_("Copy a set of rules"),
        hint=_("To change what is in force: copy it, change the copy, activate it."),
        function="rules",
        form=CopyRules,
        plan=_plan_copy,
        stops_at_refusal=True,
    ),
    Kind(
        name="activate-rules",
        label=_("Activate a set of rules"),
        hint=_("The switch checks the whole set and names the rule that is wrong. A second person must agree."),
        function="rules",
        form=ActivateRules,
        plan=_plan_activate,
        needs_checker=always,
        asks_why=True,
    ),
]
