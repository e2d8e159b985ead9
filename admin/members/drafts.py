"""What the form of a member, a row of an import and the API say of a member; checked, and as rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.forms import FormContext, Kind, declared, entry
from admin.i18n import translate
from admin.models.members import NAME_LENGTH_MAX, NOTE_LENGTH_MAX, TEXT_LENGTH_MAX, ContactKind, MemberValue
from admin.models.mirror import organisations
from admin.models.people import WHOLE_GROUP, User
from admin.references import References

from .definitions import ID_KINDS, KINDS, MARITAL, SEXES, SOURCES, codes_of
from .identity import RESIDENT, birth_date_of, read_day, read_email, read_id_number, read_phone, sex_of, show_day
from .keys import Findable, keys_of, rows_of
from .seals import Vault

_ = str
REMOVE = "-"
"""Typed into a sealed field: what is there goes; an empty field leaves it."""
MOBILE_PLACE, PHONE_PLACE, EMAIL_PLACE, FIRST_FURTHER_PLACE = 1, 2, 3, 4
PLACES = {
    "mobile": (MOBILE_PLACE, ContactKind.MOBILE),
    "phone": (PHONE_PLACE, ContactKind.PHONE),
    "email": (EMAIL_PLACE, ContactKind.EMAIL),
}
DAY_PATTERN = r"^\d{4}\D?\d{1,2}\D?\d{1,2}日?$"
HOUSEHOLD_MAX = 99


class KeptContext(FormContext):
    """Remembers what may be chosen: an import asks for each cell, and the database is to be asked once."""

    def __init__(self, session: Session, visitor: Visitor, references: References) -> None:
        super().__init__(session, visitor, references)
        object.__setattr__(self, "kept", {})


def _kept(ask: Callable[[FormContext], Mapping[int | str, str]]) -> Callable[[FormContext], Mapping[int | str, str]]:
    def choices(context: FormContext) -> Mapping[int | str, str]:
        if not isinstance(context, KeptContext):
            return ask(context)
        kept: dict[Any, Mapping[int | str, str]] = context.kept  # type: ignore[attr-defined]  # frozen, see above
        if ask not in kept:
            kept[ask] = ask(context)
        return kept[ask]

    return choices


def _codes(table: str) -> Callable[[FormContext], Mapping[int | str, str]]:
    def ask(context: FormContext) -> Mapping[int | str, str]:
        return {code: name for code, name in codes_of(context.session, table).items()}  # noqa: C416  of wider keys

    return _kept(ask)


@_kept
def _interests(context: FormContext) -> Mapping[int | str, str]:
    return {1 << code: name for code, name in codes_of(context.session, "interest").items()}


@_kept
def places_of(context: FormContext) -> Mapping[int | str, str]:
    """Nodes that the visitor may put a member at."""
    rows = context.session.execute(
        select(organisations.c.organisation_id, organisations.c.name).order_by(organisations.c.organisation_id)
    )
    found: dict[int | str, str] = {WHOLE_GROUP: translate("Whole group")} if context.visitor.sees_everything else {}
    for number, name in rows:
        if context.visitor.may_place_in(number):
            found[number] = f"{number} {name}" if name else str(number)
    return found


@_kept
def _managers(context: FormContext) -> Mapping[int | str, str]:
    query: Any = select(User.id, User.full_name).where(User.is_enabled).order_by(User.full_name)
    return {row.id: row.full_name for row in context.session.execute(context.visitor.users_seen(query))}


class MemberForm(msgspec.Struct, kw_only=True, frozen=True):
    """One member, as people type it."""

    name: Annotated[str, entry(_("Full name"), max_length=NAME_LENGTH_MAX)]
    kind: Annotated[str, entry(_("Person or company"), Kind.CHOICE, choices=KINDS)] = "person"
    sex: Annotated[int, entry(_("Sex"), Kind.CHOICE, choices=SEXES)] = 0
    birth_date: Annotated[
        str, entry(_("Date of birth"), pattern=DAY_PATTERN, hint=_("A date such as 1990-05-31."), max_length=11)
    ] = ""
    id_kind: Annotated[int, entry(_("Papers"), Kind.CHOICE, choices=ID_KINDS)] = 0
    id_number: Annotated[str, entry(_("ID number"), max_length=20)] = ""
    education: Annotated[int, entry(_("Education"), Kind.CHOICE, choices=_codes("education"))] = 0
    code: Annotated[str, entry(_("Own number"), hint=_("Number in another system."), max_length=40)] = ""

    mobile: Annotated[str, entry(_("Mobile phone"), max_length=30)] = ""
    phone: Annotated[str, entry(_("Telephone"), max_length=30)] = ""
    email: Annotated[str, entry(_("E-mail"), max_length=120)] = ""
    preferred: Annotated[
        str,
        entry(
            _("Reach preferably by"),
            Kind.CHOICE,
            choices={"mobile": _("Mobile phone"), "phone": _("Telephone"), "email": _("E-mail")},
        ),
    ] = "mobile"
    region: Annotated[int, entry(_("Home region"), Kind.CHOICE, choices=_codes("region"))] = 0
    address: Annotated[str, entry(_("Home address"), max_length=TEXT_LENGTH_MAX)] = ""
    postcode: Annotated[str, entry(_("Postcode"), pattern=r"^[0-9A-Za-z -]{3,10}$", max_length=10)] = ""

    marital: Annotated[int, entry(_("Marital status"), Kind.CHOICE, choices=MARITAL)] = 0
    anniversary_date: Annotated[
        str, entry(_("Anniversary"), pattern=DAY_PATTERN, hint=_("A date such as 1990-05-31."), max_length=11)
    ] = ""
    household_size: Annotated[int, entry(_("Persons in the household"), Kind.INTEGER, ge=0, le=HOUSEHOLD_MAX)] = 0

    occupation: Annotated[int, entry(_("Occupation"), Kind.CHOICE, choices=_codes("occupation"))] = 0
    industry: Annotated[int, entry(_("Industry"), Kind.CHOICE, choices=_codes("industry"))] = 0
    company: Annotated[str, entry(_("Employer"), max_length=TEXT_LENGTH_MAX)] = ""
    position: Annotated[str, entry(_("Position"), max_length=NAME_LENGTH_MAX)] = ""
    work_address: Annotated[str, entry(_("Address at work"), max_length=TEXT_LENGTH_MAX)] = ""

    vehicle_plate: Annotated[str, entry(_("Number plate"), max_length=20)] = ""
    vehicle_model: Annotated[str, entry(_("Vehicle"), max_length=NAME_LENGTH_MAX)] = ""

    interests: Annotated[int, entry(_("Interests"), Kind.FLAGS, choices=_interests)] = 0
    needs: Annotated[str, entry(_("Needs"), Kind.AREA, max_length=NOTE_LENGTH_MAX)] = ""
    preferences: Annotated[
        str, entry(_("Preferences"), Kind.AREA, hint=_("Habits, and what to mind."), max_length=NOTE_LENGTH_MAX)
    ] = ""
    note: Annotated[str, entry(_("Remarks"), Kind.AREA, max_length=NOTE_LENGTH_MAX)] = ""

    member_class: Annotated[int, entry(_("Class"), Kind.CHOICE, choices=_codes("class"))] = 0
    detail_class: Annotated[int, entry(_("Detailed class"), Kind.CHOICE, choices=_codes("detail-class"))] = 0
    source: Annotated[int, entry(_("Captured by"), Kind.CHOICE, choices=SOURCES)] = 1
    organisation_id: Annotated[int, entry(_("Owner"), Kind.CHOICE, choices=places_of)]
    manager_id: Annotated[int, entry(_("Account manager"), Kind.CHOICE, choices=_managers)] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What the bounds of single fields do not say."""
        for name in ("birth_date", "anniversary_date"):
            if getattr(self, name) and not read_day(getattr(self, name)):
                yield name, translate("A date such as 1990-05-31 is expected.")
        for name in ("mobile", "phone"):
            if (text := getattr(self, name)) not in ("", REMOVE) and read_phone(text) is None:
                yield name, translate("A telephone number of 5 to 20 digits is expected.")
        if self.email not in ("", REMOVE) and read_email(self.email) is None:
            yield "email", translate("An address such as name@example.com is expected.")
        if self.id_number not in ("", REMOVE):
            kind = self.id_kind or RESIDENT
            number = read_id_number(kind, self.id_number)
            if number is None and kind == RESIDENT:
                yield "id_number", translate("An ID number has 18 characters, a date and a check character that fit.")
            elif number is None:
                yield "id_number", translate("4 to 20 letters and digits are expected.")
            elif kind == RESIDENT and self.birth_date and birth_date_of(number) != read_day(self.birth_date):
                yield "birth_date", translate("The ID number says another date.")


SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (_("Basics"), ("name", "kind", "sex", "birth_date", "id_kind", "id_number", "education", "code")),
    (_("Contact"), ("mobile", "phone", "email", "preferred", "region", "address", "postcode")),
    (_("Family"), ("marital", "anniversary_date", "household_size")),
    (_("Work"), ("occupation", "industry", "company", "position", "work_address")),
    (_("Vehicle"), ("vehicle_plate", "vehicle_model")),
    (_("Interests and needs"), ("interests", "needs", "preferences", "note")),
    (_("Care"), ("member_class", "detail_class", "source", "organisation_id", "manager_id")),
)
"""Sections of the record in their order."""
SEALED = ("id_number", "mobile", "phone", "email")
DAYS = {"birth_date": "birth_day", "anniversary_date": "anniversary_day"}
DAY_DIVISOR = 10_000
COLUMNS = tuple(name for _label, names in SECTIONS for name in names if name not in (*SEALED, "preferred"))
"""Fields of the form that are columns of `members` under the same name."""


def labels_of() -> dict[str, str]:
    """English label of each field of the form."""
    return {one.name: one.meta.title or one.name for one in declared(MemberForm)}


@dataclass(slots=True)
class Draft:
    """A member as it is to be: columns, and what is sealed or kept in tables of its own."""

    columns: dict[str, Any]
    id_number: str | None = None
    """None: stays; empty: none."""
    contacts: dict[int, tuple[str, str]] = field(default_factory=dict)
    """(kind, value) by place; an empty value removes it, a missing place stays."""
    preferred_place: int = MOBILE_PLACE
    values: list[MemberValue] = field(default_factory=list)


def draft_of(form: MemberForm, values: list[MemberValue]) -> Draft:
    """What a form that was checked says."""
    columns: dict[str, Any] = {name: getattr(form, name) for name in COLUMNS}
    for name, day_name in DAYS.items():
        columns[name] = read_day(columns[name])
        columns[day_name] = columns[name] % DAY_DIVISOR
    columns["code"] = form.code or None
    columns["manager_id"] = form.manager_id or None
    draft = Draft(columns, preferred_place=PLACES[form.preferred][0], values=values)
    for name, (place, kind) in PLACES.items():
        text = getattr(form, name)
        if text:
            read = read_email if kind == ContactKind.EMAIL else read_phone
            draft.contacts[place] = (kind.value, "" if text == REMOVE else read(text) or "")
    if form.id_number:
        papers = form.id_kind or RESIDENT
        draft.id_number = "" if form.id_number == REMOVE else read_id_number(papers, form.id_number)
        columns["id_kind"] = papers if draft.id_number else 0
        if papers == RESIDENT and draft.id_number:
            columns["birth_date"] = birth_date_of(draft.id_number)
            columns["birth_day"] = columns["birth_date"] % DAY_DIVISOR
            columns["sex"] = form.sex or sex_of(draft.id_number)
    return draft


def form_texts(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a record as the form has them; sealed fields are empty, which leaves them as they are."""
    filled = {name: columns[name] for name in COLUMNS}
    for name in DAYS:
        filled[name] = show_day(columns[name])
    return filled | {"code": columns["code"] or "", "manager_id": columns["manager_id"] or 0}


@dataclass(slots=True)
class NewRows:
    """Rows of a new member by table, ready for bulk inserts."""

    member: dict[str, Any]
    contacts: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    values: list[dict[str, Any]]


def new_rows(
    vault: Vault, member_id: int, draft: Draft, *, state: str, now: datetime, user_id: int, import_id: int | None = None
) -> NewRows:
    """Everything that a new member is in the tables."""
    contacts = {place: one for place, one in draft.contacts.items() if one[1]}
    preferred = draft.preferred_place if draft.preferred_place in contacts else min(contacts, default=0)
    id_number = draft.id_number or ""
    findable = Findable(draft.columns["name"], draft.columns["code"] or "", id_number, tuple(contacts.values()))
    return NewRows(
        member=draft.columns
        | {
            "id": member_id,
            "state": state,
            "id_sealed": vault.seal_id_number(member_id, id_number) if id_number else None,
            "import_id": import_id,
            "created_at": now,
            "created_by": user_id,
            "changed_at": now,
            "version": 1,
            "level_held_until": 0,
            "relation": 0,
        },
        contacts=[
            {
                "member_id": member_id,
                "place": place,
                "kind": kind,
                "value_sealed": vault.seal_contact(member_id, place, value),
                "is_preferred": place == preferred,
                "note": "",
            }
            for place, (kind, value) in contacts.items()
        ],
        keys=list(rows_of(member_id, keys_of(vault, findable))),
        values=[
            {"member_id": member_id, "field_id": one.field_id, "text": one.text or "", "number": one.number or 0}
            for one in draft.values
        ],
    )
