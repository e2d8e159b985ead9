"""One operation of the life cycle on many cards: preview, progress, a result per card, and a second run that goes on.

A run that was interrupted is simply repeated: the switch answers DONE_BEFORE for
each card that is there already, and that counts as success. Only operations that a
card may have again (REPEATING) need a look at the cards first.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.lifecycle import TRANSITIONS, done_mask
from switch.protocol.messages import CardFlag, CardOperation, CardStatus, OperateCardRequest, OperationFlag
from switch.protocol.records import CardRecord, RecordKind
from terminals.operator_fields import CardOperationFields
from terminals.outcome import Verdict
from terminals.till_calls import RecordsNotListedError

from .card_numbers import Card, Piece, pieces, successor
from .desk import Desk
from .output import CommandError, explain
from .units import format_decimal, plain_decimal

ROWS_SHOWN_MAX = 100
"""With more cards a person sees those that were not done, and the sums; JSON has them all."""

DONE, BEFORE, REFUSED, UNKNOWN = "done", "done before", "refused", "unknown"
SUCCESS = (DONE, BEFORE)
REPEATING = (CardOperation.RENEW, CardOperation.CHARGE_FEE)
"""Operations that a card may have again and again: done twice they charge twice."""
AGAIN = "Run the same command again: it goes on where this one stopped."
AGAIN_BY_HAND = (
    "Look at the unknown cards first (`cardswitch card show` has the balance and the document of the last operation):"
    " what was done is done and charged a second time when it is asked for again."
)
STATES: dict[int, str] = {ResponseCode.APPROVED: DONE, ResponseCode.DONE_BEFORE: BEFORE}


@dataclass
class Job:
    """An operation and what the switch is told with it."""

    operation: CardOperation
    fields: CardOperationFields
    check_digit: bool = False
    ending_by: int | None = None
    """Only cards whose last date is this one or an earlier one; the others count as done before."""

    @property
    def name(self) -> str:
        """`MAKE_AND_ISSUE` → `make-and-issue`."""
        return self.operation.name.lower().replace("_", "-")


@dataclass
class Tally:
    """What became of the cards so far."""

    counts: Counter[str] = field(default_factory=Counter)
    paid_out_minor: int = 0
    fees_minor: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)


async def run(desk: Desk, cards: Sequence[Card], job: Job, *, dry_run: bool) -> int:
    """Do it, or say what it would do; 0 when every card is done or was done before."""
    if dry_run:
        return await preview(desk, cards, job)
    tally = Tally()
    todo = list(pieces(await _ending(desk, cards, job, tally), check_digit=job.check_digit))
    shows_rows = len(cards) <= ROWS_SHOWN_MAX
    while todo:
        piece = todo.pop(0)
        if not await _send(desk, piece, job, tally, todo):
            break
        _progress(sum(tally.counts.values()), len(cards))
    _report(desk, tally, job, len(cards), shows_rows=shows_rows)
    return 0 if sum(tally.counts[name] for name in SUCCESS) == len(cards) else 1


async def _ending(desk: Desk, cards: Sequence[Card], job: Job, tally: Tally) -> Sequence[Card]:
    """The cards that end by the job's date.

    Renewing is the one step that the switch does again when it is asked again
    (a card may be renewed twice); this makes it one that can be repeated.
    """
    if job.ending_by is None:
        return cards
    records = await read_cards(desk, [card.number for card in cards])
    for card in cards:
        if _ends_later(job, records.get(card.number)):
            _note(desk, tally, card.number, BEFORE, ResponseCode.DONE_BEFORE, 0)
    return [card for card in cards if not _ends_later(job, records.get(card.number))]


def _ends_later(job: Job, record: CardRecord | None) -> bool:
    return (
        job.ending_by is not None
        and record is not None
        and not 0 < record.expiry_date <= job.ending_by
        and done_mask(job.operation) >> record.status & 1 == 1
    )


async def _send(desk: Desk, piece: Piece, job: Job, tally: Tally, todo: list[Piece]) -> bool:
    """One message; what the switch cut off its end goes back to what is to do. False: the rest has no sense now."""
    fields: CardOperationFields = {**job.fields, "count": piece.card_count}
    if piece.related:
        fields["related_number"] = piece.related
    if job.check_digit:
        fields["flags"] = fields.get("flags", 0) | OperationFlag.CHECK_DIGIT
    numbers = _numbers_of(piece, check_digit=job.check_digit)
    outcome = await desk.client.operate_card(piece.first, job.operation, **fields)
    if outcome.verdict is Verdict.UNKNOWN:
        for number in numbers:
            _note(desk, tally, number, UNKNOWN, 0, 0)
        desk.out.note(f"{job.name}: {outcome.meaning} {AGAIN_BY_HAND if job.operation in REPEATING else AGAIN}")
        return False
    results = outcome.reply.results if outcome.reply else ()
    if not results:  # refused as a whole, before any card was looked at
        code, detail = outcome.code or 0, outcome.reply.detail if outcome.reply else 0
        words = outcome.meaning if outcome.code is None else explain(code, detail, OperateCardRequest)
        if not tally.counts:
            raise CommandError(f"card {job.name}: {words}")
        for number in numbers:
            _note(desk, tally, number, REFUSED, code, detail)
        desk.out.note(f"{job.name}: {words}")
        return outcome.code is not None
    assert outcome.reply is not None
    tally.paid_out_minor += outcome.reply.amount_minor
    tally.fees_minor += outcome.reply.change_minor
    for index, (number, result) in enumerate(zip(numbers, results, strict=True)):
        if result.code == ResponseCode.RANGE_CUT:
            todo.insert(0, Piece(number, piece.card_count - index, piece.related))
            break
        state = STATES.get(result.code, REFUSED)
        if state == BEFORE and piece.related and not await _goes_on_as(desk, number, piece.related):
            _note(desk, tally, number, REFUSED, result.code, 0, "another card goes on for it: `cardswitch card show`")
            continue
        _note(desk, tally, number, state, result.code, result.detail, _remark(job, result.code, result.detail))
    return True


def _remark(job: Job, code: int, detail: int) -> str:
    """What the code alone leaves open about this operation; empty when it says all."""
    froms = TRANSITIONS[job.operation].froms
    if job.operation is CardOperation.REPLACE and code == ResponseCode.CARD_STATUS and detail in froms:
        return f"{explain(code, detail)} That is the new card: expected one that is made or drawn."
    if job.operation is CardOperation.REPLACE and code == ResponseCode.CARD_UNKNOWN:
        return f"{explain(code)} One of the two: make the new one first (`cardswitch card make`)."
    if code == ResponseCode.AMOUNT and job.operation in (CardOperation.ISSUE, CardOperation.MAKE_AND_ISSUE):
        return (
            f"{explain(code)} To do: name a --value from face_min to face_max of the type (`cardswitch type show`),"
            " none with --joins."
        )
    return ""


def _numbers_of(piece: Piece, *, check_digit: bool) -> list[int]:
    numbers = [piece.first]
    while len(numbers) < piece.card_count:
        numbers.append(successor(numbers[-1], check_digit=check_digit))
    return numbers


async def _goes_on_as(desk: Desk, number: int, related: int) -> bool:
    """Whether a card that was replaced or corrected before goes on as the one that is named now."""
    card = await desk.record(RecordKind.CARD, CardRecord, number)
    return card is not None and card.successor_number == related


def _note(desk: Desk, tally: Tally, number: int, state: str, code: int, detail: int, why: str = "") -> None:
    tally.counts[state] += 1
    why = why or (explain(code, detail, OperateCardRequest) if state == REFUSED else "")
    row = {"card": desk.out.card(number), "result": state, "code": code, "why": why}
    if desk.out.as_json:
        desk.out.line(row)
    else:
        tally.rows.append({name: value for name, value in row.items() if name != "code"})


def _progress(done_count: int, count: int) -> None:
    if sys.stderr.isatty() and count > ROWS_SHOWN_MAX:
        print(f"\r{done_count:,} of {count:,} cards", end="\n" if done_count >= count else "", file=sys.stderr)


def _report(desk: Desk, tally: Tally, job: Job, count: int, *, shows_rows: bool) -> None:
    left = count - sum(tally.counts.values())
    if desk.out.as_json:
        summary = {name.replace(" ", "_"): tally.counts[name] for name in (DONE, BEFORE, REFUSED, UNKNOWN)}
        sums = {"paid_out": plain_decimal(tally.paid_out_minor), "fees": plain_decimal(tally.fees_minor)}
        desk.out.line({"summary": job.name, "cards": count, **summary, "not_tried": left, **sums})
        return
    rows = tally.rows if shows_rows else [row for row in tally.rows if row["result"] not in SUCCESS]
    if rows:
        desk.out.rows(rows)
    parts = [f"{tally.counts[name]:,} {name}" for name in (DONE, BEFORE, REFUSED, UNKNOWN) if tally.counts[name]]
    parts += [f"{left:,} not tried"] if left else []
    print(f"{job.name}: {', '.join(parts)} of {count:,} card{'s' * (count > 1)}")
    if tally.paid_out_minor:
        print(f"pay out: {format_decimal(tally.paid_out_minor)}")
    if tally.fees_minor:
        print(f"fees charged: {format_decimal(tally.fees_minor)}")


# --------------------------------------------------------------------------- preview


async def preview(desk: Desk, cards: Sequence[Card], job: Job) -> int:
    """Read the cards and say what the operation would do with each; nothing is changed."""
    records = await read_cards(desk, [card.number for card in cards])
    today = await desk.today()
    rows = []
    refused_count = 0
    for card in cards:
        record = records.get(card.number)
        is_fine, words = forecast(job, record, today)
        refused_count += not is_fine
        status = CardStatus(record.status).name if record else "no card"
        rows.append({"card": desk.out.card(card.number), "status": status, "would": words})
    desk.out.rows(rows)
    if not desk.out.as_json:
        print(f"{job.name}: a preview, nothing was changed; {refused_count:,} of {len(cards):,} would be refused")
    return 1 if refused_count else 0


async def read_cards(desk: Desk, numbers: Sequence[int]) -> dict[int, CardRecord]:
    """Records of the cards that exist: by one listing where they can be listed, else one by one."""
    wanted = {*numbers}
    found: dict[int, CardRecord] = {}
    try:
        async for record in desk.client.records(RecordKind.CARD, min(numbers)):
            assert isinstance(record, CardRecord)
            if record.card_number > max(numbers):
                break
            if record.card_number in wanted:
                found[record.card_number] = record
    except RecordsNotListedError:
        for number in numbers:
            one = await desk.record(RecordKind.CARD, CardRecord, number)
            if one is not None:
                found[number] = one
    return found


def forecast(job: Job, record: CardRecord | None, today: int) -> tuple[bool, str]:
    """Whether the operation would end well as far as the card's own record tells, and in words what it would do."""
    operation, fields = job.operation, job.fields
    if _ends_later(job, record):
        return True, BEFORE
    status = CardStatus(record.status) if record else None
    transition = TRANSITIONS[operation]
    if operation in (CardOperation.BLACKLIST, CardOperation.UNBLACKLIST) and record is not None:
        is_on = bool(record.flags & CardFlag.BLACKLISTED)
        done = is_on == (operation is CardOperation.BLACKLIST)
        return True, BEFORE if done else f"{job.name}"
    if status in transition.froms:
        return _forecast_move(job, record, today)
    same_type = record is None or not fields.get("card_type") or record.card_type == fields["card_type"]
    if status is not None and done_mask(operation) >> status & 1 and same_type:
        return True, BEFORE
    if status is None:
        return False, f"be refused: {explain(ResponseCode.CARD_UNKNOWN)}"
    if None in transition.froms:
        return False, f"be refused: {explain(ResponseCode.CARD_EXISTS)}"
    return False, f"be refused: {explain(ResponseCode.CARD_STATUS, status)}"


def _forecast_move(job: Job, record: CardRecord | None, today: int) -> tuple[bool, str]:
    """Of a card that is in a status from which the operation starts."""
    operation = job.operation
    status = CardStatus(record.status) if record else None
    makes = operation in (CardOperation.MAKE, CardOperation.MAKE_AND_ISSUE)
    if status is CardStatus.RESERVED and makes and not job.fields.get("flags", 0) & OperationFlag.FROM_RESERVED:
        return False, f"be refused: {explain(ResponseCode.RESERVED_SKIPPED)}"
    if record is not None:
        if operation is CardOperation.UNFREEZE and record.frozen_by and record.frozen_by == job.fields["operator_id"]:
            return False, f"be refused: {explain(ResponseCode.SAME_PERSON)}"
        if operation is CardOperation.EXPIRE and not 0 < record.expiry_date < today:
            return False, f"be refused: {explain(ResponseCode.NOT_DUE)}"
        if operation is CardOperation.RESTORE:
            return True, f"become {CardStatus(record.kept_status).name if record.kept_status else 'what it was'}"
    to = TRANSITIONS[operation].to
    if operation is CardOperation.CHARGE_FEE:
        return True, "be charged, or the fee is due; the status stays"
    if operation in (CardOperation.ISSUE, CardOperation.MAKE_AND_ISSUE):
        return True, "become ISSUED, or ACTIVE where the type asks for no activation"
    return True, f"become {to.name if to else 'as it is'}"
