"""What a kind of document is, and the plan that it makes of a form."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.card_search import between
from admin.errors import RefusedError
from admin.forms import CARD_DIGITS, FormContext
from admin.i18n import translate
from admin.models.documents import Document
from admin.models.journal import daily_totals
from admin.models.mirror import cards, stores
from admin.references import References
from admin.rights import Action
from switch.protocol.layout import Packed
from switch.protocol.messages import REQUESTS, MessageType

from .bounds import AloneBound

if TYPE_CHECKING:
    from admin.parameters import Parameters
    from admin.service import Service

F = TypeVar("F", bound=msgspec.Struct)

STEPS_MAX = 200_000
"""Requests of a document: a batch of this many cards, one by one, is sent in some minutes."""
CARDS_MAX = 200_000
"""Cards that a document may name: beyond, a list is a mistake more often than not; make several documents."""
SENDER = "sender"
"""The process that sends requests to the switch: `sending.py`."""
SKIPPED_SHOWN_MAX = 200
"""Lines of what is left out that are kept for the page; the count is exact."""
KEY_FIELDS: Mapping[str, Any] = {"trace_number": 0, "business_date": 0, "stamp_ms": 0}
"""Filled in when the request gets its number."""


@dataclass(frozen=True, slots=True)
class Order:
    """One request that a document would send."""

    type: MessageType
    body: bytes
    card_number: int
    item_count: int
    subject: str
    amount_minor: int
    by_checker: bool
    is_secret: bool
    points_hundredths: int = 0


class Planning:
    """Makes the plan: a kind reads its form, asks the database through here, and adds requests."""

    def __init__(
        self, session: Session, visitor: Visitor, references: References, now: datetime, parameters: Parameters
    ) -> None:
        self._parameters = parameters
        self.session = session
        self.visitor = visitor
        self.references = references
        self.now = now
        self.orders: list[Order] = []
        self.skipped: list[tuple[str, str]] = []
        """(what, why in English), at most `SKIPPED_SHOWN_MAX`"""
        self.skipped_count = 0
        self.sums_minor: Counter[str] = Counter()
        """Amounts that the page shows before anything is done, by English label: fees, what is paid out."""
        self.counts: Counter[Any] = Counter()
        """What a kind counts for itself while it plans, for its `permits`."""
        self.store_id: int | None = None
        """Store whose terminal must send it (what one terminal did, only that one takes back); None: the maker's."""

    def parameter(self, name: str) -> int:
        """A number that administrators set, as it holds now."""
        return self._parameters.number(name, self.now)

    @cached_property
    def is_at_store(self) -> bool:
        """Whether the visitor works at a store, not at headquarters or a region."""
        place = stores.c.organisation_id == self.visitor.organisation_id
        is_store = select(stores.c.store_id).where(place).limit(1)
        return not self.visitor.sees_everything and self.session.scalar(is_store) is not None

    @property
    def context(self) -> FormContext:
        """For reading and showing forms."""
        return FormContext(self.session, self.visitor, self.references)

    @cached_property
    def today(self) -> int:
        """The switch's business date, as far as the follower has heard; 0 before it has heard anything."""
        return int(self.session.scalar(select(func.max(daily_totals.c.business_date))) or 0)

    def add(
        self,
        type_: MessageType,
        *,
        card_number: int = 0,
        item_count: int = 1,
        subject: str = "",
        amount_minor: int = 0,
        points_hundredths: int = 0,
        moved_minor: int | None = None,
        moved_hundredths: int | None = None,
        by_checker: bool = False,
        is_secret: bool = False,
        **fields: Any,
    ) -> None:
        """Add a request by its fields; key and stamp come later, and so do the persons where they are left out.

        `card_number`, `amount_minor` and `points_hundredths` are also given to the request, where it has such fields,
        and the preview adds them up; `moved_minor` and `moved_hundredths` are what it adds up where that is something
        else (of a range, each card's amount together).
        """
        form: type[Packed] = REQUESTS[type_]
        names = set(form.__struct_fields__)
        shown = {"card_number": card_number, "amount_minor": amount_minor, "points_hundredths": points_hundredths}
        fields = {**{name: value for name, value in shown.items() if name in names}, **fields}
        request = form(**{name: value for name, value in KEY_FIELDS.items() if name in names}, **fields)
        if len(self.orders) >= STEPS_MAX:
            raise RefusedError("This would be more than {count} requests. Make several documents.", count=STEPS_MAX)
        body = request.encode()
        self.orders.append(
            Order(
                type_,
                body,
                card_number,
                item_count,
                subject,
                amount_minor if moved_minor is None else moved_minor,
                by_checker,
                is_secret,
                points_hundredths if moved_hundredths is None else moved_hundredths,
            )
        )

    def skip(self, what: str, why: str) -> None:
        """Note something that the document will leave out; `why` is English and marked for translation."""
        self.skipped_count += 1
        if len(self.skipped) < SKIPPED_SHOWN_MAX:
            self.skipped.append((what, why))

    def card(self, number: int) -> Row[Any]:
        """A card that the visitor sees; `RefusedError` when there is none."""
        found = self.find_card(number)
        if found is None:
            raise RefusedError("There is no such card in your part of the organisation.")
        return found

    def presented_card(self, number: int) -> Row[Any]:
        """A card of any part of the organisation: its holder stands at the desk, and one card is good in all stores.

        For operations that a till would do for him as well; `RefusedError` when there is none.
        """
        found = self.session.execute(select(cards).where(cards.c.card_number == number)).first()
        if found is None:
            raise RefusedError("There is no such card.")
        return found

    def find_card(self, number: int) -> Row[Any] | None:
        """A card that the visitor sees; None when there is none."""
        query = self.visitor.cards_seen(select(cards).where(cards.c.card_number == number))
        return self.session.execute(query).first()

    def cards(self, text: str) -> Iterator[Row[Any]]:
        """Cards that lines name: a number, a reference, or a range `first - last`; what is not seen is skipped."""
        count = 0
        for line in dict.fromkeys(line.strip() for line in re.split(r"[\r\n,;，；]+", text)):
            if not line:
                continue
            bounds = [self.number(part) for part in re.split(r"\s*(?:-|–|\.\.|至|到)\s*", line)]
            if len(bounds) > 2 or None in bounds:
                self.skip(line, _("This is not a card number."))
                continue
            first, last = bounds[0], bounds[-1]
            assert first is not None and last is not None
            found = 0
            for row in self._cards_between(first, last):
                found, count = found + 1, count + 1
                if count > CARDS_MAX:
                    raise RefusedError(
                        "This would be more than {count} cards. Make several documents.", count=CARDS_MAX
                    )
                yield row
            if not found:
                shown = " - ".join(self.visitor.card_number(number) for number in dict.fromkeys((first, last)))
                self.skip(shown, _("There is no such card in your part of the organisation."))

    def number(self, text: str) -> int | None:
        """A card number from its digits or its reference; None for what is neither."""
        digits = text.replace(" ", "")
        return int(digits) if CARD_DIGITS.fullmatch(digits) else self.references.read(text)

    def _cards_between(self, first: int, last: int) -> Iterator[Row[Any]]:
        for condition in between(cards.c.card_number, first, last):
            query = self.visitor.cards_seen(select(cards).where(condition)).order_by(cards.c.card_number)
            yield from self.session.execute(query.limit(CARDS_MAX + 1))

    @property
    def digest(self) -> bytes:
        """SHA-256 of all requests, in order."""
        hashed = hashlib.sha256()
        for order in self.orders:
            hashed.update(bytes((order.type, order.by_checker)) + len(order.body).to_bytes(4, "little") + order.body)
        return hashed.digest()

    @property
    def item_count(self) -> int:
        """Cards, or requests about no card."""
        return sum(order.item_count for order in self.orders)

    @property
    def amount_minor(self) -> int:
        """Value that would move."""
        return sum(order.amount_minor for order in self.orders)

    @property
    def points_hundredths(self) -> int:
        """Points that would be given (below 0: taken)."""
        return sum(order.points_hundredths for order in self.orders)


SUBJECT_LENGTH_MAX = 120
SUBJECT_SEPARATOR = "\x1f"


def subject(text: str, **values: object) -> str:
    """What a request is about: English with `{names}`, kept with its values so that pages can translate it.

    Values that are words are translated, too.  `ValueError` when there is no room for it.
    """
    kept = SUBJECT_SEPARATOR.join([text, *(f"{name}={value}" for name, value in values.items())])
    if len(kept) > SUBJECT_LENGTH_MAX:
        raise ValueError(f"subject: expected at most {SUBJECT_LENGTH_MAX} characters, got {len(kept)}; say it shorter")
    return kept


def subject_text(kept: str) -> str:
    """A subject in the language of the request."""
    text, *pairs = kept.split(SUBJECT_SEPARATOR)
    shown = translate(text)
    for name, _, value in (pair.partition("=") for pair in pairs):
        shown = shown.replace(f"{{{name}}}", translate(value))
    return shown


def never(_planning: Planning, _form: Any) -> bool:
    """One person is enough."""
    return False


def always(_planning: Planning, _form: Any) -> bool:
    """A second person must agree."""
    return True


@dataclass(frozen=True)
class Kind(Generic[F]):
    """A kind of document: what is filled in, who may, who must agree, and which requests come of it."""

    name: str
    """In addresses and the database; never changed."""
    label: str
    """What is done, in English: `Freeze cards`."""
    function: str
    """Function of `rights.FUNCTIONS`: who may `action` makes it, who may approve agrees."""
    form: type[F]
    plan: Callable[[Planning, F], None]
    """Adds requests; `RefusedError` when it cannot be done at all."""
    hint: str = ""
    """What it does, in a sentence, for the page."""
    action: Action = Action.CHANGE
    needs_checker: Callable[[Planning, F], bool] = never
    bounds: Callable[[Planning, F], list[AloneBound]] | None = None
    """What one person may do alone; beyond any of them a second one must agree."""
    permits: Callable[[Planning, Document, F], None] | None = None
    """Asked when it is submitted (with its plan), and again when it is approved or tried again (without one).

    `RefusedError` when it may not be done at this moment; it may write what it needs to remember.
    """
    asks_why: bool = False
    """A reason must be given: repairs, and whatever somebody may later ask about."""
    stops_at_refusal: bool = False
    """Later requests make no sense after a refused one."""
    undo: Callable[[Planning, Document, F], tuple[str, msgspec.Struct]] | None = None
    """Name and form of a document that undoes a finished one; `RefusedError` when it cannot be undone any more."""
    begun: Callable[[Session, Document, F], None] | None = None
    """What is noted in SQL within the transaction in which it is submitted or sent; `RefusedError` stops it there."""
    settled: Callable[[Session, Document, F], None] | None = None
    """What follows in SQL, within the transaction in which the document ends."""
    has_secrets: bool = False
    """Its form holds a PIN or the like: no drafts, no second try."""
    is_central: bool = False
    """Goes through headquarters' terminal whoever makes it: it takes a right that stores' terminals lack."""
    prepared: Callable[[Session, Service, Document, Planning], None] | None = None
    """Before the requests are kept: may put into them what must not be known before, such as a new key."""
    worker: str = SENDER
    """Who does its requests; the sender leaves those of others alone."""

    def __post_init__(self) -> None:
        """The table of rights must know what it needs."""
        from admin.rights import right

        right(self.function, self.action)
        if self.needs_checker is not never or self.bounds is not None:
            right(self.function, Action.APPROVE)

    def bounds_of(self, planning: Planning, form: F) -> list[AloneBound]:
        """The bounds that hold for a plan; none for most kinds."""
        return [] if self.bounds is None else self.bounds(planning, form)

    def waits(self, planning: Planning, form: F) -> bool:
        """Whether a plan waits for a second person."""
        return self.needs_checker(planning, form) or any(one.is_exceeded for one in self.bounds_of(planning, form))


def _(text: str) -> str:
    """Marks a text for translation where it is declared."""
    return text


def kinds_by_name(modules: Sequence[Sequence[Kind[Any]]]) -> dict[str, Kind[Any]]:
    """Kinds of several areas; `ValueError` for a name that two have."""
    found: dict[str, Kind[Any]] = {}
    for kinds in modules:
        for kind in kinds:
            if kind.name in found:
                raise ValueError(f"document kind {kind.name}: expected one, got two; rename one of them")
            found[kind.name] = kind
    return found
