"""`cardswitch migrate`: cards of an old system into this one, once each, and proof that the sums are the same.

A folder holds what the old system has said: `cards.csv` with a line per card, `totals.csv` with its control totals. The
switch is asked to open each card and to credit what was on it, by the messages that everybody uses; value and points
carry a reference that is made of the card's number, so a second run, or one after a kill, adds nothing twice. Nobody
goes live before the sums of the switch's own records equal the control totals, and two people have said so.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from switch._clock import now_ms
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardOperation, CardStatus, FeeTender, RechargeChannel
from switch.protocol.records import AccountRecord, CardRecord, RecordKind
from terminals.outcome import Outcome

from .card_batch import read_cards
from .desk import DEFAULT, Desk, Switch, at_desk
from .output import CommandError, insist
from .units import format_decimal, format_moment, parse_card_number, parse_decimal

app = App(
    name="migrate",
    help="Cards, status, value and points of an old system into this one.\n\nFor example:\n"
    "    cardswitch migrate load old --operator 7\n    cardswitch migrate check old\n"
    "    cardswitch migrate sign old --operator 7",
    help_format="plaintext",
)
CARDS, TOTALS, SIGN_OFF = "cards.csv", "totals.csv", "sign-off.json"
FIELDS = ("card", "type", "status", "balance", "points", "member")
STATUSES = {"active": CardStatus.ACTIVE, "frozen": CardStatus.FROZEN, "lost": CardStatus.LOST}
TOTAL_NAMES = ("cards", *STATUSES, "balance", "points")
REFERENCE_BYTES = 16
CODE_MAX, MEMBER_MAX = 65_535, 2**53 - 1
FAULTS_SHOWN_MAX = 20
PROGRESS_CARDS = 1_000
SIGNATURES = 2
BEFORE = {ResponseCode.CARD_EXISTS, ResponseCode.CREDITED_BEFORE, ResponseCode.DONE_BEFORE}
"""Answers to what an earlier run has done."""
Folder = Annotated[Path, Parameter(help="Folder with cards.csv and totals.csv.")]


@dataclass(frozen=True, slots=True)
class OldCard:
    """A card as the old system has it; amounts in minor units, points in hundredths."""

    number: int
    type: int
    status: CardStatus
    balance_minor: int
    points_hundredths: int
    member: int

    def reference(self, what: str) -> bytes:
        """16 bytes that stand for this card's value or points in this migration, and for nothing else."""
        return hashlib.blake2b(f"migrate {what} {self.number}".encode(), digest_size=REFERENCE_BYTES).digest()


@app.command
def load(folder: Folder, /, *, switch: Switch = DEFAULT) -> int:
    """Open the cards and put on them what they had; a second run goes on where the first has stopped.

    For example:
        cardswitch migrate load old --operator 7

    cards.csv has the columns card, type, status (active, frozen, lost), balance, points, member. The whole file is
    checked before the first card. Types must be approved; an installation with other cards is fine.
    Next: cardswitch migrate check
    """
    cards = _read_cards(folder)
    if _signatures(folder):
        raise CommandError(f"{folder / SIGN_OFF}: this migration is signed; remove the file to begin the check anew")

    async def work(desk: Desk) -> int:
        operator_id = desk.person("migrate load")
        done: Counter[str] = Counter()
        known = await read_cards(desk, [card.number for card in cards])
        for count, card in enumerate(cards, 1):
            await _load(desk, card, known.get(card.number), operator_id, done)
            if count % PROGRESS_CARDS == 0:
                print(f"{count} of {len(cards)} cards", file=sys.stderr)
        desk.out.say(
            f"{len(cards)} cards: {done['opened']} opened now, {len(cards) - done['opened']} were there;"
            f" value put on {done['credited']}, points on {done['points']}; next: cardswitch migrate check {folder}",
            cards=len(cards),
            opened=done["opened"],
            credited=done["credited"],
            points=done["points"],
        )
        return 0

    return at_desk(switch, work)


@app.command
def check(folder: Folder, /, *, switch: Switch = DEFAULT) -> int:
    """Compare the switch's own records with the control totals of the old system; exit status 1 when they differ.

    For example:
        cardswitch migrate check old

    totals.csv has the columns name and value: cards, active, frozen, lost, balance, points.
    Next: cardswitch migrate sign, by two people
    """
    cards, wanted = _read_cards(folder), _read_totals(folder)

    async def work(desk: Desk) -> int:
        found = await _totals(desk, cards)
        return 0 if _tell(desk, folder, wanted, found) else 1

    return at_desk(switch, work, only_reads=True)


@app.command
def sign(folder: Folder, /, *, switch: Switch = DEFAULT) -> int:
    """Agree to go live: the sums are compared once more, and two different people must sign.

    For example:
        cardswitch migrate sign old --operator 7
    """
    cards, wanted = _read_cards(folder), _read_totals(folder)

    async def work(desk: Desk) -> int:
        person = desk.person("migrate sign")
        found = await _totals(desk, cards)
        if not (found == wanted if desk.out.as_json else _tell(desk, folder, wanted, found)):
            raise CommandError("the sums differ: nobody signs this; mend the files or the cards, then check again")
        kept = _signatures(folder)
        if any(one["operator"] == person for one in kept):
            raise CommandError(f"operator {person} has signed already: a second person must agree")
        kept.append({"operator": person, "time_ms": now_ms()})
        text = json.dumps({"sha256": _digest(folder), "totals": wanted, "signatures": kept}, indent=2)
        (folder / SIGN_OFF).write_text(f"{text}\n", encoding="utf-8")
        left = SIGNATURES - len(kept)
        desk.out.say(
            "signed by two: the stores of this file may go live" if left <= 0 else "signed; a second person must agree",
            operator=person,
            signatures=len(kept),
            may_go_live=left <= 0,
        )
        return 0

    return at_desk(switch, work, only_reads=True)


async def _load(desk: Desk, card: OldCard, known: CardRecord | None, operator_id: int, done: Counter[str]) -> None:
    """One card, step by step; each step says by itself whether it was done before."""
    client, what = desk.client, f"card {desk.out.card(card.number)}"
    if known is not None and known.card_type != card.type:
        raise CommandError(f"{what}: expected type {card.type}, the switch has one of type {known.card_type}")
    if known is not None and known.status == card.status and known.status != CardStatus.ACTIVE:
        return  # stopping is the last step
    if known is None:
        _expect(await client.open_card(card.number, card.type), what)
        done["opened"] += 1
    if card.balance_minor:
        done["credited"] += _expect(
            await client.credit(
                card.number,
                card.balance_minor,
                channel=RechargeChannel.OPENING,
                reference=card.reference("value"),
                operator_id=operator_id,
            ),
            what,
        )
    if card.points_hundredths:
        done["points"] += _expect(
            await client.adjust_points(
                card.number, card.points_hundredths, operator_id=operator_id, reference=card.reference("points")
            ),
            what,
        )
    if card.member:
        _expect(await client.set_card(card.number, member=card.member), what)
    if card.status == CardStatus.FROZEN:
        insist(await client.freeze_card(card.number, operator_id), what)
    elif card.status == CardStatus.LOST:
        lost = CardOperation.REPORT_LOSS
        insist(await client.operate_card(card.number, lost, operator_id=operator_id, fee_tender=FeeTender.WAIVED), what)


def _expect(outcome: Outcome, what: str) -> int:
    """1: it was done now; 0: an earlier run has done it."""
    if outcome.code in BEFORE:
        return 0
    insist(outcome, what)
    return 1


async def _totals(desk: Desk, cards: Sequence[OldCard]) -> dict[str, int]:
    """Sums of the switch's records about the cards of the file."""
    found = await read_cards(desk, [card.number for card in cards])
    sums: Counter[str] = Counter(dict.fromkeys(TOTAL_NAMES, 0))
    names = {status: name for name, status in STATUSES.items()}
    accounts: set[int] = set()
    for record in found.values():
        sums["cards"] += 1
        accounts.add(record.account_number)
        if (name := names.get(CardStatus(record.status))) is not None:
            sums[name] += 1
    for number in sorted(accounts):
        account = await desk.record(RecordKind.ACCOUNT, AccountRecord, number)
        if account is not None:
            sums["balance"] += account.balance_minor
            sums["points"] += account.points_hundredths
    return dict(sums)


def _tell(desk: Desk, folder: Path, wanted: dict[str, int], found: dict[str, int]) -> bool:
    """A line for each sum; whether all are equal."""
    rows: list[dict[str, Any]] = []
    for name in TOTAL_NAMES:
        show = format_decimal if name in ("balance", "points") else str
        rows.append(
            {
                "total": name,
                "old": show(wanted[name]),
                "here": show(found[name]),
                "difference": show(found[name] - wanted[name]),
            }
        )
    for one in _signatures(folder):
        desk.out.note(f"signed by operator {one['operator']} at {format_moment(one['time_ms'])}")
    desk.out.rows(rows)
    return found == wanted


def _read_cards(folder: Path) -> list[OldCard]:
    """All cards of the file; `CommandError` with the lines that are wrong, before anything is done."""
    cards: list[OldCard] = []
    faults: list[str] = []
    seen: set[int] = set()
    for line, row in _rows(folder / CARDS, FIELDS):
        try:
            card = OldCard(
                parse_card_number(row["card"]),
                _whole(row["type"], CODE_MAX),
                STATUSES[row["status"]],
                parse_decimal(row["balance"] or "0"),
                parse_decimal(row["points"] or "0"),
                _whole(row["member"] or "0", MEMBER_MAX),
            )
        except KeyError:
            faults.append(f"line {line}: status: expected {', '.join(STATUSES)}, got {row['status'][:20]}")
            continue
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            continue
        if card.balance_minor < 0:
            faults.append(f"line {line}: balance: expected none below 0; settle it in the old system first")
        elif card.number in seen:
            faults.append(f"line {line}: this card stands above already")
        seen.add(card.number)
        cards.append(card)
    if faults:
        more = f"\n… and {len(faults) - FAULTS_SHOWN_MAX} more" if len(faults) > FAULTS_SHOWN_MAX else ""
        raise CommandError(f"{folder / CARDS}: nothing was done\n" + "\n".join(faults[:FAULTS_SHOWN_MAX]) + more)
    return cards


def _read_totals(folder: Path) -> dict[str, int]:
    totals: dict[str, int] = {}
    for line, row in _rows(folder / TOTALS, ("name", "value")):
        try:
            totals[row["name"]] = (
                parse_decimal(row["value"]) if row["name"] in ("balance", "points") else _whole(row["value"], 10**9)
            )
        except ValueError as error:
            raise CommandError(f"{folder / TOTALS}: line {line}: {error}") from None
    if totals.keys() != set(TOTAL_NAMES):
        raise CommandError(
            f"{folder / TOTALS}: expected {', '.join(TOTAL_NAMES)}, got {', '.join(totals) or 'nothing'}"
        )
    return totals


def _rows(path: Path, fields: Sequence[str]) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or [*reader.fieldnames] != [*fields]:
                got = ", ".join(reader.fieldnames or ()) or "nothing"
                raise CommandError(f"{path}: expected the columns {', '.join(fields)}, got {got}")
            for line, row in enumerate(reader, 2):
                yield line, {name: (row[name] or "").strip() for name in fields}
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: expected a CSV file in UTF-8, got: {error}") from None


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:20]) <= most):
        raise ValueError(f"expected a whole number up to {most}, got {text[:20] or 'nothing'}")
    return int(text)


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / CARDS).read_bytes() + b"\0" + (folder / TOTALS).read_bytes()).hexdigest()


def _signatures(folder: Path) -> list[dict[str, int]]:
    """Who has signed these very files; a file that was changed since has no signatures."""
    try:
        kept = json.loads((folder / SIGN_OFF).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return list(kept["signatures"]) if kept["sha256"] == _digest(folder) else []
