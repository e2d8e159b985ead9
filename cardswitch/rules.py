"""`cardswitch rules`: sets of rules for points, discounts and forbidden goods."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from cyclopts import App

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import ActivateRulesRequest, PutRuleRequest, RulesetState
from switch.protocol.records import (
    CardTypeRecord,
    PointsCategoryRecord,
    RecordKind,
    RuleRecord,
    RulesetRecord,
    StoreRecord,
)

from .bill_file import EXAMPLE, Bill, read_bill
from .desk import DEFAULT, Desk, Switch, at_desk
from .output import CommandError, explain, insist
from .rule_file import TEMPLATE, Rule, RuleFile, describe, describe_of_file, in_words, read_rules
from .units import CardNumber, Date, format_date, format_decimal

app = App(
    name="rules",
    help="""Rules for points, discounts and forbidden goods: a file, checked as a whole, in force from a date.

For example:
    cardswitch rules template > spring.toml
    cardswitch rules load spring.toml --from-date 2026-03-01""",
    help_format="plaintext",
)


@app.command
def template(*, bill: bool = False) -> int:
    """Print a file with every field of a rule, to begin from.

    For example:
        cardswitch rules template > spring.toml

    Next: edit it; `cardswitch rules check spring.toml` says what is wrong with
    it.

    Parameters
    ----------
    bill
        Print a bill for `rules try` instead.
    """
    print(EXAMPLE if bill else TEMPLATE, end="\n" if bill else "")
    return 0


@app.command
def check(file: Path, /, *, json: bool = False) -> int:
    """Check a file of rules as a whole, without a switch; every problem is named with its field and why.

    For example:
        cardswitch rules check spring.toml

    Next: `rules load`, which also checks that the card types, stores and
    categories exist.

    Parameters
    ----------
    file
        TOML file.
    json
        Print JSON for programs.
    """
    rules = read_rules(file)
    Switch(json=json).output.say(
        f"{file}: {len(rules.rules)} rules are well formed", rules=len(rules.rules), checked=True
    )
    return 0


@app.command
def load(
    file: Path,
    /,
    *,
    from_date: Date | None = None,
    set: int | None = None,
    draft: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Load a file of rules as a new set, and put it in force from a business date on.

    For example:
        cardswitch rules load spring.toml --from-date 2026-03-01 --operator 7

    The whole file is checked first, with the card types, stores and categories
    that it names; nothing is sent if anything is wrong. A command that was
    interrupted is repeated: rules that are there are put again, others are
    removed.
    Next: `rules show` has the sets and their dates; `rules try` prices a bill
    with the rules of today.

    Parameters
    ----------
    file
        TOML file (`cardswitch rules template` prints one).
    from_date
        First business date; without it tomorrow, or today if no set was ever in force.
    set
        Number of the set; without it that of the file, or the next one that is free.
    draft
        Put the rules and do not activate the set.
    """
    wanted = read_rules(file)

    async def work(desk: Desk) -> int:
        sets = await desk.records(RecordKind.RULESET, RulesetRecord)
        await _check_names(desk, wanted, str(file))
        number = set or wanted.ruleset or await _number_for(desk, sets, wanted.rules)
        known = next((row for row in sets if row.ruleset == number), None)
        if known is not None and known.state == RulesetState.ACTIVE:
            raise CommandError(f"rules: {explain(ResponseCode.RULESET_STATE)}")
        await _put(desk, number, wanted.rules)
        if draft:
            desk.out.say(
                f"rules: set {number} is a draft with {len(wanted.rules)} rules. Next: load it without --draft",
                set=number,
                rules=len(wanted.rules),
                state="DRAFT",
            )
            return 0
        is_first = all(row.state != RulesetState.ACTIVE for row in sets)
        since = from_date if from_date is not None else await desk.today() + (0 if is_first else 1)
        outcome = await desk.client.activate_rules(number, since, len(wanted.rules), desk.operator_id)
        insist(outcome, f"rules: set {number} from {format_date(since)}", ActivateRulesRequest)
        desk.out.say(
            f"rules: set {number} with {len(wanted.rules)} rules is in force from {format_date(since)} on",
            set=number,
            rules=len(wanted.rules),
            state="ACTIVE",
            from_date=format_date(since),
        )
        return 0

    return at_desk(switch, work)


async def _number_for(desk: Desk, sets: list[RulesetRecord], rules: list[Rule]) -> int:
    """A draft all of whose rules are in the file: an interrupted load of it; else the number after the highest.

    Another person's draft is left alone.
    """
    wanted = [describe_of_file(rule) for rule in rules]
    for row in reversed(sets):
        if row.state == RulesetState.DRAFT:
            there = await _words_of_set(desk, row.ruleset)
            if there and all(words in wanted for words in there):
                return row.ruleset
    return sets[-1].ruleset + 1 if sets else 1


async def _check_names(desk: Desk, wanted: RuleFile, where: str) -> None:
    """Card types, stores and points categories that rules name must exist."""
    types = {row.code for row in await desk.records(RecordKind.CARD_TYPE, CardTypeRecord)}
    stores = {row.store_id for row in await desk.records(RecordKind.STORE, StoreRecord)}
    categories = {0} | {row.category for row in await desk.records(RecordKind.POINTS_CATEGORY, PointsCategoryRecord)}
    problems = []
    for rule in wanted.rules:
        for field, name, there in (
            ("card_type", "card_type", types),
            ("store_id", "store", stores),
            ("points_category", "points_category", categories),
        ):
            value = rule.fields.get(field, 0)
            if value and value not in there:
                problems.append(
                    f"  rule {rule.number}.{name}: expected one that the switch has, got {value}; put it first"
                )
    if problems:
        raise CommandError(f"{where}: {len(problems)} to correct, nothing was sent:\n" + "\n".join(problems))


async def _put(desk: Desk, number: int, rules: list[Rule]) -> None:
    there = {row.rule for row in await desk.records(RecordKind.RULE, RuleRecord, number, owner=number)}
    for rule in rules:
        outcome = await desk.client.put_rule(number, rule.number, rule.layer, rule.action, **rule.fields)
        insist(outcome, f"rules: set {number}, rule {rule.number}", PutRuleRequest)
    for left_over in sorted(there - {rule.number for rule in rules}):
        insist(
            await desk.client.remove_rule(number, left_over), f"rules: set {number}, rule {left_over}", PutRuleRequest
        )


@app.command
def show(set: int | None = None, /, *, switch: Switch = DEFAULT) -> int:
    """List the sets of rules and say which is in force; with a number, its rules.

    For example:
        cardswitch rules show 2

    Parameters
    ----------
    set
        Number of a set.
    """

    async def work(desk: Desk) -> int:
        if set is not None:
            rows = []
            for words in await _words_of_set(desk, set):
                head = {name: words[name] for name in ("number", "layer", "action")}
                rows.append(words if desk.out.as_json else head | {"asks_and_does": in_words(words)})
            desk.out.rows(rows, nothing=f"set {set} has no rules")
            return 0
        today = await desk.today()
        sets = await desk.records(RecordKind.RULESET, RulesetRecord)
        active = [row for row in sets if row.state == RulesetState.ACTIVE]
        current = max((row for row in active if row.from_date <= today), key=lambda row: row.from_date, default=None)
        current = current or min(active, key=lambda row: row.from_date, default=None)
        desk.out.rows(
            [
                {
                    "set": row.ruleset,
                    "state": RulesetState(row.state).name,
                    "from": format_date(row.from_date) or ("the beginning" if row.state == RulesetState.ACTIVE else ""),
                    "rules": row.rule_count,
                    "activated_by": row.author,
                    "in_force": row is current,
                }
                for row in sets
            ],
            nothing="no rules; `cardswitch rules template` begins a file",
        )
        return 0

    return at_desk(switch, work)


async def _words_of_set(desk: Desk, number: int) -> list[dict[str, Any]]:
    if await desk.record(RecordKind.RULESET, RulesetRecord, number) is None:
        raise CommandError(f"rules: expected a set with number {number}, got none; `cardswitch rules show` lists them")
    return [describe(row) for row in await desk.records(RecordKind.RULE, RuleRecord, number, owner=number)]


@app.command
def diff(first: str, second: str, /, *, switch: Switch = DEFAULT) -> int:
    """Compare two sets of rules, each a number on the switch or a file; 0 when they say the same.

    For example:
        cardswitch rules diff 2 spring.toml

    Parameters
    ----------
    first
        Number of a set, or a file.
    second
        Number of a set, or a file.
    """

    async def work(desk: Desk) -> int:
        sides = []
        for name in (first, second):
            if name.isdecimal():
                words = await _words_of_set(desk, int(name))
            else:
                words = [describe_of_file(rule) for rule in sorted(read_rules(Path(name)).rules)]
            sides.append([f"rule {row['number']}: {row['layer']} {row['action']}: {in_words(row)}" for row in words])
        lines = list(difflib.unified_diff(sides[0], sides[1], first, second, n=0, lineterm=""))
        if desk.out.as_json:
            changes = [line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")]
            desk.out.json({"equal": not lines, "changes": changes})
        else:
            print("\n".join(line for line in lines if not line.startswith("@@")) if lines else "they say the same")
        return 1 if lines else 0

    return at_desk(switch, work)


@app.command(name="try")
def try_bill(*, bill: Path, card: CardNumber, switch: Switch = DEFAULT) -> int:
    """Price a bill on the running switch: what each line would cost and earn. Needs a key that may pay.

    For example:
        cardswitch rules try --bill bill.json --card 6200000000000001

    Nothing is taken. The rules and the card type of today count. Next: `rules load` changes the
    rules from a date on.

    Parameters
    ----------
    bill
        JSON file (`cardswitch rules template --bill` prints one).
    card
        Card number.
    """
    wanted = read_bill(bill)

    async def work(desk: Desk) -> int:
        reply = await desk.client.quote(
            card, wanted.amount_minor, wanted.lines, wanted.tenders, flags=wanted.flags, settlement=wanted.settlement
        )
        is_priced = reply.code in (ResponseCode.APPROVED, ResponseCode.PARTIAL)
        answer = "would be approved" if is_priced else f"would be refused: {explain(reply.code, reply.detail)}"
        facts = {
            "card": desk.out.card(card),
            "code": reply.code,
            "answer": answer,
            "bill": format_decimal(reply.due_minor + reply.discount_minor),
            "discount": format_decimal(reply.discount_minor),
            "due": format_decimal(reply.due_minor),
            "card_pays": format_decimal(reply.amount_minor),
            "change": format_decimal(reply.change_minor),
            "rounded_off": format_decimal(reply.round_off_minor),
            "points": format_decimal(reply.points_hundredths),
        }
        lines = _lines(wanted, reply.lines) if is_priced else []
        desk.out.facts(facts | ({"lines": lines} if lines else {}))
        return 0 if is_priced else 1

    return at_desk(switch, work)


def _lines(bill: Bill, results: Any) -> list[dict[str, Any]]:
    rows = []
    for number, (line, result) in enumerate(zip(bill.lines, results, strict=False), 1):
        priced_minor = (2 * result.unit_price_minor * line.quantity_milli + 1000) // 2000
        amount_minor = line.amount_minor or priced_minor
        rows.append(
            {
                "line": number,
                "item": line.item,
                "amount": format_decimal(amount_minor),
                "discount": format_decimal(result.discount_minor),
                "costs": format_decimal(amount_minor - result.discount_minor),
                "points": format_decimal(result.points_hundredths),
                "category": result.points_category,
                "booked_in_days": result.booking_days,
            }
        )
    return rows
