"""What the commands print: aligned tables for people, JSON for programs, refusals with what to do next."""

from __future__ import annotations

import enum
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import AlarmState, CardStatus, TypeState
from terminals.masking import mask
from terminals.outcome import Outcome, meaning_of, name_code

from .units import UNLIMITED, Figure

PIPE_COLUMNS = 400
"""Width of a table that no terminal shows: rows are not broken, so that grep finds them."""

_DETAIL = re.compile(r"[:;] `detail`")
"""Where the meaning of a code begins to speak of the message's bytes."""

HINTS: dict[ResponseCode, str] = {
    ResponseCode.NOT_PERMITTED: "use the key of a terminal that has the right (`cardswitch terminal list`)",
    ResponseCode.SAME_PERSON: "let another person do it (--operator), or name one who approves (--approver)",
    ResponseCode.CARD_TYPE_UNKNOWN: "`cardswitch type list` shows the types and from when on they hold",
    ResponseCode.TYPE_STATE: "`cardswitch type state` moves the type on",
    ResponseCode.TYPE_FROZEN: "put a version with a from_date to come, without that change; or a new type",
    ResponseCode.ACCOUNT_UNKNOWN: "with --joins name a card that has an account",
    ResponseCode.FUNCTION_OFF: "`cardswitch type show` has the type's functions",
    ResponseCode.CREDITED_BEFORE: "nothing, if it was this one; else name its own reference",
    ResponseCode.STORE_UNKNOWN: "`cardswitch store list` shows the stores",
    ResponseCode.ORGANISATION_UNKNOWN: "`cardswitch organisation list` shows the nodes; put the upper one first",
    ResponseCode.CUSTODY: "issue it with a terminal of the store that has it, or of none",
    ResponseCode.MEMBER_REQUIRED: "name the member with --member",
    ResponseCode.FEE_REFUSED: "take the fee in cash: --fee cash",
    ResponseCode.NUMBER_RULE: "`cardswitch type show` has the type's prefix and number of digits",
    ResponseCode.VALUE_LEFT: "return the card, or void it with --write-off and --document",
    ResponseCode.HOLDS_OPEN: "`cardswitch card show` lists them; capture or release them"
    " (releasing one that has ended by itself clears it)",
    ResponseCode.OTHER_CARDS: "return the other cards of the account first",
    ResponseCode.RESERVED_SKIPPED: "make it with --from-reserved if that is meant",
    ResponseCode.CHANGED_SINCE: "look again, and repeat with the sequence that the preview shows now",
    ResponseCode.RULESET_STATE: "`cardswitch rules show` lists the sets; load under a new number or from another date",
    ResponseCode.CATEGORY_UNKNOWN: "`cardswitch points list` shows the categories",
    ResponseCode.GIFT_UNKNOWN: "`cardswitch gift list` shows the gifts and their dates",
    ResponseCode.MEDIUM_UNKNOWN: "`cardswitch medium list` shows the media of a card",
    ResponseCode.MEDIUM_EXISTS: "`cardswitch medium list` shows the media of a card; a revoked one never comes back",
    ResponseCode.KEY_UNKNOWN: "`cardswitch keys show` has the versions; announce it first (`cardswitch keys announce`)",
    ResponseCode.ALARM_UNKNOWN: "`cardswitch alarm list` shows the alarms and their numbers",
    ResponseCode.PIN_LOCKED: "`cardswitch card pin reset` opens it",
    ResponseCode.BUSY: "try again in a moment",
    ResponseCode.DISK_FULL: "make room on the switch's disk",
}
"""What an operator does about a refusal, beside what the code means."""


LABELS = {"points": "points by category", "visits": "visits by service"}
"""What tables by number are called for people."""


class CommandError(ValueError):
    """A command that cannot be carried out; one line says what was expected, what came and what to do."""


def name_in(enumeration: type[enum.IntEnum], value: int) -> str:
    """Name of a value; the number when a newer switch has one that we do not know."""
    return next((member.name for member in enumeration if member == value), str(value))


def explain(code: int, detail: int = 0, form: type[Packed] | None = None) -> str:
    """A refusal in words: code, meaning, the field or status that the detail names, and what to do about it."""
    words = f"{name_code(code)}: {_DETAIL.split(meaning_of(code))[0].rstrip('.')}."
    if code == ResponseCode.FIELD_INVALID and form is not None:
        words += f" It is {_field_at(form, detail)}."
    elif code == ResponseCode.TYPE_FROZEN and form is not None:
        words += f" {_frozen(_field_at(form, detail))}."
    elif code == ResponseCode.CARD_STATUS and detail:
        words += f" It is {name_in(CardStatus, detail)}."
    elif code == ResponseCode.TYPE_STATE and detail:
        words += f" It is {name_in(TypeState, detail)}."
    elif code == ResponseCode.ALARM_STATE and detail:
        words += f" It is {name_in(AlarmState, detail)}."
    elif code == ResponseCode.RULES_INVALID and detail:
        words += f" It is rule {detail}."
    elif code == ResponseCode.PRODUCT_FORBIDDEN:
        words += f" It is line {detail + 1}."
    hint = next((hint for known, hint in HINTS.items() if known == code), None)
    return f"{words} To do: {hint}." if hint else words


def _field_at(form: type[Packed], offset: int) -> str:
    return next((field.name for field in layout_of(form).fields if field.offset == offset), str(offset))


def _frozen(name: str) -> str:
    """What of a card type that has cards cannot be as it was asked for; names as in the type's file."""
    if name == "from_date":
        return "from_date: expected a date to come"
    known = {"number_prefix": "number.prefix", "number_digits": "number.digits", "flags": "flags named, one-time"}
    return f"{known.get(name, name)}: expected as it is, got another"


def explain_outcome(outcome: Outcome, form: type[Packed] | None = None) -> str:
    """What became of a request that was not approved."""
    if outcome.code is None:
        return outcome.meaning
    return explain(outcome.code, outcome.reply.detail if outcome.reply else 0, form)


def insist(outcome: Outcome, what: str, form: type[Packed] | None = None) -> Outcome:
    """The outcome, when it is approved; else `CommandError`."""
    if not outcome.approved:
        raise CommandError(f"{what}: {outcome.verdict.value}: {explain_outcome(outcome, form)}")
    return outcome


class Output:
    """Prints in one of the two ways; card numbers are masked unless asked for otherwise."""

    def __init__(self, *, as_json: bool = False, unmasked: bool = False) -> None:
        self.as_json, self.unmasked = as_json, unmasked
        is_terminal = sys.stdout.isatty()
        self._console = Console(width=None if is_terminal else PIPE_COLUMNS, highlight=False, soft_wrap=False)

    def card(self, number: int) -> str:
        """A card number as it may be shown; nothing for 0."""
        if not number:
            return ""
        return str(number) if self.unmasked else mask(number)

    def rows(self, rows: Sequence[Mapping[str, Any]], *, nothing: str = "nothing") -> None:
        """A table with a column per key, or a JSON array of objects."""
        if self.as_json:
            self.json(list(rows))
            return
        if not rows:
            print(nothing)
            return
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for name in rows[0]:
            is_figure = _is_of_figures([row[name] for row in rows])
            table.add_column(name.replace("_", " "), justify="right" if is_figure else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_shown(value)) for value in row.values()))
        self._print(table)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Names and values below each other, or a JSON object; tables inside are printed below."""
        if self.as_json:
            self.json(facts)
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        inner: list[tuple[str, Any]] = []
        for name, value in facts.items():
            if value is None or value in ("", [], {}):
                continue
            if isinstance(value, list) and value and isinstance(value[0], dict):
                inner.append((name, value))
            elif isinstance(value, Mapping):
                label = LABELS.get(name, name.replace("_", " "))
                table.add_row(Text(label, style="bold"), Text(_flat(value)))
            else:
                table.add_row(Text(name.replace("_", " "), style="bold"), Text(_shown(value)))
        self._print(table)
        for name, value in inner:
            print()
            self._console.print(Text(name.replace("_", " "), style="bold"))
            self.rows(value)

    def several(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Facts of several things with a line between them; as JSON one object, or an array of many."""
        if self.as_json:
            self.json(found[0] if len(found) == 1 else found)
            return
        for index, facts in enumerate(found):
            if index:
                print()
            self.facts(facts)

    def json(self, value: Any) -> None:
        """One JSON value."""
        value = _plain(value)
        print(json.dumps(value, ensure_ascii=False, indent=None if isinstance(value, dict) and len(value) < 6 else 1))

    def line(self, value: Mapping[str, Any]) -> None:
        """One object in one line: a row of JSON lines."""
        print(json.dumps(_plain(value), ensure_ascii=False), flush=True)

    def say(self, sentence: str, **fields: Any) -> None:
        """A sentence for people, or the fields as one JSON object."""
        if self.as_json:
            self.line(fields)
        else:
            print(sentence)

    def note(self, sentence: str) -> None:
        """A remark beside the result, on standard error."""
        print(sentence, file=sys.stderr, flush=True)

    def _print(self, table: Table) -> None:
        with self._console.capture() as capture:
            self._console.print(table)
        print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _is_of_figures(column: Sequence[Any]) -> bool:
    """Whether a column is set to the right: it has figures and nothing else; gaps and "unlimited" do not count."""
    told = [value for value in column if value not in (None, "", UNLIMITED)]
    return bool(told) and all(map(_is_figure, told))


def _is_figure(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | Figure):
        return True
    return isinstance(value, str) and value.replace(",", "").replace(".", "").isdigit()


def _plain(value: Any) -> Any:
    """The same for programs: figures without separators of thousands."""
    if isinstance(value, Figure):
        return value.plain
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value)


def _flat(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {_shown(inner)}" for name, inner in value.items())
