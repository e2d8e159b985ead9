"""`cardswitch medium`: the chips, codes, stripes and tags that prove a card: enrolled, looked at, revoked."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from switch.protocol.messages import MediumFlag, MediumKind, MediumState, PutMediumRequest
from switch.protocol.records import MediumRecord, RecordKind
from terminals.security_calls import STORED_KEY_BYTES
from terminals.till_calls import RecordsNotListedError

from .configure import group_of
from .desk import DEFAULT, Desk, Switch, at_desk
from .medium_ids import format_medium_id, parse_medium_id
from .output import CommandError, insist, name_in
from .units import CardNumber, format_local

CHAIN_HEX_DIGITS = 8
COUNTER_MAX = (1 << 32) - 1
KEY_VERSION_MAX = 255

Kind = Annotated[Literal["chip", "code", "stripe", "tag"], Parameter(help="What the medium is.")]
MediumId = Annotated[
    str,
    Parameter(
        name="--id",
        help="Chip, tag: UID in hexadecimal; code: token of the device, 11 digits; stripe: not needed.",
    ),
]

app = group_of(
    "medium",
    "Media that prove a card: chips, codes, stripes, tags.",
    "medium enrol 6200000000000001 --kind chip --id 04782E21801D80",
)


@app.command
def enrol(
    card: CardNumber,
    /,
    *,
    kind: Kind,
    id: MediumId = "",
    key_version: int = 1,
    held: int | None = None,
    counter: int = 0,
    chain: str = "",
    stored_key: Path | None = None,
    again: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Enrol a medium of a card: from then on its proofs are taken.

    For example:
        cardswitch medium enrol 6200000000000001 --kind chip --id 04782E21801D80 --chain DEADBEEF
        cardswitch medium enrol 6200000000000001 --kind code --id 12345678901
        cardswitch medium enrol 6200000000000001 --kind stripe --counter 1

    One that is enrolled already is left alone, since new counters would let
    old proofs pass again; --again is for one that was made anew.
    Next: `cardswitch policy put` says what each medium may pay, and that a
    number alone does not.

    Parameters
    ----------
    card
        Card that it belongs to.
    key_version
        Version of the issuer's key that it was made with.
    held
        Chip: highest version whose key it holds; without it --key-version.
    counter
        Chip, stripe, tag: counter that it has now.
    chain
        Chip: chain value that it holds now, 8 hexadecimal digits.
    stored_key
        Chip, code: file (mode 0600) with its own random key, 32 hexadecimal digits; else it is derived.
    again
        Change one that is enrolled for this card.
    """
    medium = MediumKind[kind.upper()]
    number = parse_medium_id(medium, id, card)
    fields = {
        "key_version": _within("--key-version", key_version, 1, KEY_VERSION_MAX),
        "key_version_held": _within("--held", key_version if held is None else held, key_version, KEY_VERSION_MAX),
        "counter": _within("--counter", counter, 0, COUNTER_MAX),
        "chain": _chain(chain),
    }
    if medium is not MediumKind.CHIP and (chain or fields["key_version_held"] != key_version):
        raise CommandError(f"medium enrol: --chain and --held are a chip's, got them for a {kind}; leave them out")
    if medium is MediumKind.CODE and counter:
        raise CommandError("medium enrol: --counter is not told for a code: it counts with the clock; leave it out")
    if stored_key is not None and medium not in (MediumKind.CHIP, MediumKind.CODE):
        raise CommandError(f"medium enrol: --stored-key is for a chip or a code, got it for a {kind}; leave it out")
    key = b"" if stored_key is None else read_stored_key(stored_key)

    async def work(desk: Desk) -> int:
        known = await desk.record(RecordKind.MEDIUM, MediumRecord, medium, number)
        shown = _name(desk, medium, number)
        if known is not None and known.state == MediumState.ACTIVE and known.card_number == card and not again:
            raise CommandError(
                f"{shown}: expected one that is not enrolled, got one of this card;"
                " `cardswitch medium show` has it, and --again puts it with new counters"
            )
        outcome = await desk.client.put_medium(
            card, medium, number, stored_key=key, operator_id=desk.operator_id, **fields
        )
        if key:
            desk.client.compact_trace()  # the request with the key in it was there too
        insist(outcome, shown, PutMediumRequest)
        desk.out.say(f"{shown}: enrolled for card {desk.out.card(card)}", **_told(desk, card, medium, number, "ACTIVE"))
        return 0

    return at_desk(switch, work)


@app.command
def revoke(card: CardNumber, /, *, kind: Kind, id: MediumId = "", switch: Switch = DEFAULT) -> int:
    """End a medium for good: its next proof is refused, everywhere. The card and its other media go on.

    For example:
        cardswitch medium revoke 6200000000000001 --kind code --id 12345678901

    Without --id the card must have just one active medium of the kind.
    Next: enrol another. A revoked medium never comes back.

    Parameters
    ----------
    card
        Card that it belongs to.
    """
    medium = MediumKind[kind.upper()]

    async def work(desk: Desk) -> int:
        record = await _find(desk, card, medium, id)
        shown = _name(desk, record.medium, record.medium_id)
        told = _told(desk, card, medium, record.medium_id, "REVOKED")
        if record.state == MediumState.REVOKED:
            desk.out.say(f"{shown}: REVOKED before", **told)
            return 0
        insist(await desk.client.revoke_medium(record, desk.operator_id), shown, PutMediumRequest)
        desk.out.say(f"{shown}: REVOKED", **told)
        return 0

    return at_desk(switch, work)


@app.command
def show(card: CardNumber, /, *, kind: Kind, id: MediumId = "", switch: Switch = DEFAULT) -> int:
    """Show what the switch expects of a medium's next proof, and where the last one was.

    For example:
        cardswitch medium show 6200000000000001 --kind stripe

    Without --id the card must have just one active medium of the kind.

    Parameters
    ----------
    card
        Card that it belongs to.
    """

    async def work(desk: Desk) -> int:
        record = await _find(desk, card, MediumKind[kind.upper()], id)
        desk.out.facts(describe(desk, record, await desk.time_zone()))
        return 0

    return at_desk(switch, work)


@app.command(name="list")
def list_media(card: CardNumber, /, *, switch: Switch = DEFAULT) -> int:
    """List the media of a card: state, key version, counter, and the last use of each.

    For example:
        cardswitch medium list 6200000000000001

    Parameters
    ----------
    card
        Card number.
    """

    async def work(desk: Desk) -> int:
        zone = await desk.time_zone()
        rows = [
            {
                "kind": name_in(MediumKind, record.medium),
                "id": _id(desk, record.medium, record.medium_id),
                "state": name_in(MediumState, record.state),
                "key_version": record.key_version,
                "counter": record.counter,
                "last_time": format_local(record.last_ms, zone),
                "last_terminal": record.last_terminal_id or None,
                "last_store": record.last_store_id or None,
            }
            for record in await _media_of(desk, card)
        ]
        desk.out.rows(rows, nothing="no media; `cardswitch medium enrol` enrols one")
        return 0

    return at_desk(switch, work)


def describe(desk: Desk, record: MediumRecord, zone: ZoneInfo) -> dict[str, Any]:
    """All of a medium, ready to be printed."""
    is_chip, is_stripe = record.medium == MediumKind.CHIP, record.medium == MediumKind.STRIPE
    return {
        "card": desk.out.card(record.card_number),
        "kind": name_in(MediumKind, record.medium),
        "id": _id(desk, record.medium, record.medium_id),
        "state": name_in(MediumState, record.state),
        "key_version": record.key_version,
        "key_version_held": record.key_version_held if is_chip else None,
        "stored_key": bool(record.flags & MediumFlag.STORED_KEY),
        "counter": record.counter,
        "pending_counter": (record.pending_counter or None) if is_stripe else None,
        "last_time": format_local(record.last_ms, zone),
        "last_terminal": record.last_terminal_id or None,
        "last_store": record.last_store_id or None,
        "uses_in_those_10_minutes": record.count_10_minutes,
        "uses_in_that_hour": record.count_60_minutes,
        "wrong_proofs": record.fails,
        "wrong_proofs_in_hour_of": format_local(record.fail_hour * 3_600_000, zone),
        "last_entry": record.last_sequence,
    }


def read_stored_key(path: Path) -> bytes:
    """A medium's own key from its file; errors name the file and never show what is in it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(3 * STORED_KEY_BYTES).strip()
    except OSError as error:
        raise CommandError(f"{path}: expected a readable file, got {error.strerror}; check the path") from None
    if mode & 0o077:
        raise CommandError(f"{path}: expected mode 0600, got {mode:04o}; run chmod 600 on it")
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != STORED_KEY_BYTES or not any(key):
        raise CommandError(f"{path}: expected a key of {2 * STORED_KEY_BYTES} hexadecimal digits, got something else")
    return key


async def _media_of(desk: Desk, card: int) -> list[MediumRecord]:
    try:
        return [record for record in await desk.records(RecordKind.MEDIUM, MediumRecord) if record.card_number == card]
    except RecordsNotListedError:
        raise CommandError(
            "medium: expected media that can be listed, got too many on this switch;"
            " name one: `cardswitch medium show CARD --kind KIND --id ID`"
        ) from None


async def _find(desk: Desk, card: int, medium: MediumKind, text: str) -> MediumRecord:
    """The medium that is meant."""
    if text or medium is MediumKind.STRIPE:
        number = parse_medium_id(medium, text, card)
        record = await desk.record(RecordKind.MEDIUM, MediumRecord, medium, number)
        if record is None or record.card_number != card:
            raise CommandError(
                f"{_name(desk, medium, number)}: expected a medium of card {desk.out.card(card)}, got none;"
                " `cardswitch medium list` shows them"
            )
        return record
    found = [
        record
        for record in await _media_of(desk, card)
        if record.medium == medium and record.state == MediumState.ACTIVE
    ]
    if len(found) != 1:
        raise CommandError(
            f"card {desk.out.card(card)}: expected one active {medium.name.lower()}, got {len(found)};"
            " name it with --id (`cardswitch medium list --unmasked` shows them)"
        )
    return found[0]


def _within(option: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise CommandError(f"{option}: expected {low:,} to {high:,}, got {value:,}")
    return value


def _chain(text: str) -> int:
    try:
        if text and len(text) != CHAIN_HEX_DIGITS:
            raise ValueError
        return int(text or "0", 16)
    except ValueError:
        raise CommandError(f"--chain: expected {CHAIN_HEX_DIGITS} hexadecimal digits, got {text}") from None


def _id(desk: Desk, medium: int, number: int) -> str:
    return format_medium_id(medium, number, unmasked=desk.out.unmasked)


def _name(desk: Desk, medium: int, number: int) -> str:
    return f"{name_in(MediumKind, medium).lower()} {_id(desk, medium, number)}"


def _told(desk: Desk, card: int, medium: MediumKind, number: int, state: str) -> dict[str, Any]:
    return {"card": desk.out.card(card), "kind": medium.name, "id": _id(desk, medium, number), "state": state}
