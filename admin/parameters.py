"""System parameters: typed, with bounds and a default; each value holds from a moment on, and all are kept.

What belongs to the machine (addresses, files, the database) is in `settings.py`; what people may change while the
service runs is here.  A value is in force at the next request of this process, within `KEPT_MS` in others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .access import Visitor
from .database import Database, from_ms, to_ms
from .errors import RefusedError
from .i18n import translate
from .models.interfaces import ParameterValue
from .rights import FUNCTIONS, Action
from .settings import Settings
from .trade import TERMS, Words, words_of

if TYPE_CHECKING:
    from .service import Service

MODULE = "parameters"
KEPT_MS = 5_000
"""So long another process (the webhook sender) may go on with the values that it has read."""
AHEAD_MS_MAX = 366 * 86_400_000
"""A value that is to hold later than in a year is a typing mistake."""
REASON_LENGTH_MAX = 200
STEP_UP = "step-up."
"""Names of the parameters that say for which actions a module asks for a fresh dynamic password."""

ISSUE_ALONE_CARDS = "issue_alone_cards"
ISSUE_ALONE_AMOUNT = "issue_alone_amount"
PAYOUT_ALONE_AMOUNT = "payout_alone_amount"
MINOR_UNITS = 100
"""Of a whole unit of the currency, in which people set bounds."""

_ = str


@dataclass(frozen=True, slots=True)
class NumberParameter:
    """A whole number with bounds."""

    name: str
    label: str
    unit: str
    least: int
    most: int
    default: int
    group: str

    def parse(self, text: str) -> str:
        """The value as it is kept; `RefusedError` when it does not fit."""
        text = text.strip()
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else -1
        if not self.least <= number <= self.most:
            raise RefusedError(
                "Expected a whole number from {least} to {most}, got {got}.",
                least=self.least,
                most=self.most,
                got=text[:20] or "-",
            )
        return str(number)


@dataclass(frozen=True, slots=True)
class ChoiceParameter:
    """One of some words."""

    name: str
    label: str
    choices: Mapping[str, str]
    """Word and what it means."""
    default: str
    group: str

    def parse(self, text: str) -> str:
        """The value as it is kept; `RefusedError` when it is none of the words."""
        if text not in self.choices:
            raise RefusedError("Expected one of {choices}, got {got}.", choices=", ".join(self.choices), got=text[:20])
        return text


@dataclass(frozen=True, slots=True)
class TextParameter:
    """A word or two of one's own."""

    name: str
    label: str
    length_max: int
    default: str
    group: str

    def parse(self, text: str) -> str:
        """The value as it is kept; `RefusedError` when it is empty, too long or has what cannot be printed."""
        text = text.strip()
        if not (1 <= len(text) <= self.length_max and text.isprintable()):
            raise RefusedError(
                "Expected 1 to {most} characters, got {got}.", most=self.length_max, got=text[:20] or "-"
            )
        return text


@dataclass(frozen=True, slots=True)
class LineParameter:
    """A text of a certain form, which may be left empty."""

    name: str
    label: str
    pattern: str
    """Regular expression of the whole text."""
    hint: str
    """What is expected, for people."""
    length_max: int
    default: str
    group: str

    def parse(self, text: str) -> str:
        """The value as it is kept; `RefusedError` when it does not have the form."""
        text = text.strip()
        if text and (len(text) > self.length_max or re.fullmatch(self.pattern, text) is None):
            raise RefusedError("{hint} Got {got}.", hint=translate(self.hint), got=text[:20])
        return text


WHOLE_UNITS = _("whole units of the currency")
Parameter = NumberParameter | ChoiceParameter | TextParameter | LineParameter
INSTALLED = _("Modules of this installation")
SIGN_IN, MODULES, LISTS, INTERFACES = _("Signing on"), _("Fresh dynamic password"), _("Lists"), _("Interfaces")
MESSAGES = _("Short messages")
CALLS = _("Call centre")
AREA_CODE, OWN_NUMBER, RECORDINGS = "call_area_code", "call_own_number", "call_recordings"
STOCK = _("Stock")
STOCK_CARDS, STOCK_GIFTS = "stock_cards_least", "stock_gifts_least"
"""Below these a type of cards, or a gift, is shown as short; 0: never."""
CONSENT = "message_consent"
"""Name of the parameter that says who may be written to."""
ASKED, UNLESS_REFUSED = "asked", "unless-refused"
CONSENT_CHOICES = {
    ASKED: _("Only members who have said yes"),
    UNLESS_REFUSED: _("All who have not said no (they agreed when they joined)"),
}
MODULE_PREFIX = "module."
"""Names of the parameters that say which modules an installation has."""
ON, OFF = "on", "off"
ON_CHOICES = {ON: _("On"), OFF: _("Off: nobody sees or uses it")}
SWITCHABLE = (
    *("members", "member-settings", "messages", "journeys", "points", "gifts", "rules", "orders", "campaigns"),
    *("care", "care-settings", "opinions", "activities", "calls"),
    *("abnormal", "blacklist", "media", "reports", "pay", "tokens", "webhooks"),
)
"""Modules that an installation can do without: switched off, nobody has their rights, and what they kept stays."""
TRADE = _("Words of the trade")
WORD_LENGTH_MAX = 20
"""Longer ones would not fit into a menu."""
SECOND_PERSON = _("Second person")
STANDARD, CHANGES, EVERYTHING = "standard", "changes", "everything"
STEP_UP_CHOICES = {
    STANDARD: _("For what the table of rights marks"),
    CHANGES: _("For everything but looking"),
    EVERYTHING: _("For everything, also for looking"),
}
"""A module may ask for more than the table of rights says, never for less."""


def parameters_of(settings: Settings) -> dict[str, Parameter]:
    """All parameters; the defaults of some are what the settings say."""
    numbers = (
        ("session_minutes", _("A session ends after idling for"), _("minutes"), 5, 480, settings.session_minutes),
        ("session_hours_max", _("A session ends in any case after"), _("hours"), 1, 24, settings.session_hours_max),
        ("failures_max", _("Wrong passwords in a row before a lock"), "", 3, 20, settings.failures_max),
        ("lockout_minutes", _("A lock lasts"), _("minutes"), 1, 1_440, settings.lockout_minutes),
        ("step_up_minutes", _("A fresh dynamic password is good for"), _("minutes"), 1, 60, settings.step_up_minutes),
    )
    found: list[Parameter] = [NumberParameter(*row, SIGN_IN) for row in numbers]
    alone = (
        # More is a corporate order, not a sale at the desk.  0: always two.
        (ISSUE_ALONE_CARDS, _("One person issues in one document at most"), _("cards"), 0, 10_000, 100),
        (ISSUE_ALONE_AMOUNT, _("One person issues cards with a value of at most"), WHOLE_UNITS, 0, 1_000_000, 10_000),
        (PAYOUT_ALONE_AMOUNT, _("One person pays out in one document at most"), WHOLE_UNITS, 0, 100_000, 200),
    )
    found += [NumberParameter(*row, SECOND_PERSON) for row in alone]
    found += [
        ChoiceParameter(STEP_UP + function.name, function.label, STEP_UP_CHOICES, STANDARD, MODULES)
        for function in FUNCTIONS.values()
    ]
    found += [
        ChoiceParameter(MODULE_PREFIX + name, FUNCTIONS[name].label, ON_CHOICES, ON, INSTALLED) for name in SWITCHABLE
    ]
    found += [
        NumberParameter("page_rows", _("Rows of a page of a list"), "", 10, 200, 50, LISTS),
        NumberParameter(
            "token_days_max", _("A token of a program ends at most after"), _("days"), 1, 730, 365, INTERFACES
        ),
        NumberParameter(
            "api_requests_per_minute", _("Requests of one token in a minute"), "", 10, 60_000, 600, INTERFACES
        ),
        NumberParameter("webhook_attempts_max", _("Attempts to deliver an event"), "", 1, 30, 12, INTERFACES),
        NumberParameter("webhook_timeout_s", _("Wait for a receiver's answer"), _("seconds"), 1, 60, 10, INTERFACES),
        NumberParameter("webhook_days_kept", _("Deliveries are kept for"), _("days"), 1, 366, 30, INTERFACES),
        ChoiceParameter(CONSENT, _("Who is sent short messages"), CONSENT_CHOICES, ASKED, MESSAGES),
        NumberParameter("message_attempts_max", _("Attempts to hand a message over"), "", 1, 30, 10, MESSAGES),
        NumberParameter(STOCK_CARDS, _("Cards of a type in stock at least"), _("cards"), 0, 1_000_000, 20, STOCK),
        NumberParameter(STOCK_GIFTS, _("Pieces of a gift in stock at least"), _("pieces"), 0, 1_000_000, 5, STOCK),
        NumberParameter("message_timeout_s", _("Wait for the gateway's answer"), _("seconds"), 1, 60, 10, MESSAGES),
    ]
    found += [TextParameter(term.name, term.label, WORD_LENGTH_MAX, term.usual, TRADE) for term in TERMS]
    found += [
        LineParameter(AREA_CODE, _("Area code"), r"0\d{2,3}", _("An area code such as 021 is expected."), 4, "", CALLS),
        LineParameter(
            OWN_NUMBER, _("Own telephone number"), r"[0-9+-]{3,20}", _("A telephone number is expected."), 20, "", CALLS
        ),
        LineParameter(
            RECORDINGS,
            _("Folder of recordings"),
            r"/[^\x00-\x1f]+",
            _("The whole path of a folder on this machine is expected, such as /srv/recordings."),
            200,
            "",
            CALLS,
        ),
    ]
    return {parameter.name: parameter for parameter in found}


class Parameters:
    """Values that hold now; read from the database at most every `KEPT_MS`, and at once after a change here."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.all = parameters_of(settings)
        self._database = database
        self._kept: dict[str, str] = {}
        self._kept_until_ms = 0
        self._lock = Lock()

    def text(self, name: str, now: datetime) -> str:
        """Value of a parameter as text; the default when none was set, or the one that was does not fit any more."""
        parameter = self.all[name]
        found = self._values(now).get(name)
        try:
            return str(parameter.default) if found is None else parameter.parse(found)
        except RefusedError:  # bounds of an older version
            return str(parameter.default)

    def number(self, name: str, now: datetime) -> int:
        """Value of a number."""
        return int(self.text(name, now))

    def asks_for_step_up(self, function: str, action: Action, now: datetime) -> bool:
        """Whether an action of a module asks for a fresh dynamic password."""
        if action in FUNCTIONS[function].steps_up:
            return True
        demand = self.text(STEP_UP + function, now)
        return demand == EVERYTHING or (demand == CHANGES and action != Action.VIEW)

    def modules_off(self, now: datetime) -> frozenset[str]:
        """Modules that are switched off."""
        values = self._values(now)
        return frozenset(name for name in SWITCHABLE if values.get(MODULE_PREFIX + name) == OFF)

    def words(self, now: datetime) -> Words:
        """What things are called in this trade."""
        return words_of({term.name: self.text(term.name, now) for term in TERMS})

    def forget(self) -> None:
        """Read anew at the next question: something was changed."""
        with self._lock:
            self._kept_until_ms = 0

    def _values(self, now: datetime) -> dict[str, str]:
        now_ms = to_ms(now)
        with self._lock:
            if not now_ms < self._kept_until_ms <= now_ms + KEPT_MS:
                with self._database.read() as session:
                    self._kept, begins_ms = values_at(session, now)
                self._kept_until_ms = min(now_ms + KEPT_MS, begins_ms)
            return self._kept


def values_at(session: Session, now: datetime) -> tuple[dict[str, str], int]:
    """Values that hold at a moment, and when the next one begins (ms)."""
    rows = session.execute(
        select(ParameterValue.name, ParameterValue.value, ParameterValue.from_time).order_by(
            ParameterValue.from_time, ParameterValue.id
        )
    ).all()
    held = {row.name: row.value for row in rows if row.from_time <= now}
    return held, min((to_ms(row.from_time) for row in rows if row.from_time > now), default=1 << 62)


def set_parameter(
    service: Service, visitor: Visitor, name: str, text: str, *, from_ms_utc: int = 0, reason: str = ""
) -> None:
    """Give a parameter a value, from now on or from a moment to come; `RefusedError` when it does not fit."""
    parameter = service.parameters.all.get(name)
    if parameter is None:
        raise RefusedError("There is no such parameter.")
    value, now = parameter.parse(text), service.now()
    if from_ms_utc and not to_ms(now) <= from_ms_utc <= to_ms(now) + AHEAD_MS_MAX:
        raise RefusedError("The moment from which it holds lies within the next year.")
    from_time = from_ms(from_ms_utc) if from_ms_utc else now
    with service.database.write() as session:
        before = values_at(session, now)[0].get(name, str(parameter.default))
        session.add(
            ParameterValue(
                name=name,
                value=value,
                from_time=from_time,
                set_by=visitor.user_id,
                set_at=now,
                reason=reason.strip()[:REASON_LENGTH_MAX],
            )
        )
        detail: dict[str, Any] = {"before": before, "after": value, "from": to_ms(from_time), "reason": reason.strip()}
        service.audit.append(session, visitor, MODULE, "change", f"parameter {name}", **detail)
    service.parameters.forget()


def history_of(session: Session, name: str, limit: int) -> list[ParameterValue]:
    """What a parameter was set to, newest first."""
    query = select(ParameterValue).where(ParameterValue.name == name).order_by(ParameterValue.id.desc()).limit(limit)
    return list(session.scalars(query))
