"""Opinions out of a spreadsheet: all rows of a file or none, with what is wrong of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, declared
from admin.i18n import CATALOGS, catalog, translate
from admin.members.sheets import read_sheet
from admin.references import References
from admin.service import Service

from .opinions import MODULE, OpinionForm, put_form
from .tasks import OPINION_KINDS, area_choices, department_choices

_ = str
ROWS_MAX = 2_000
"""Of one file: all of it is written in one transaction, and others wait for less than a second."""
FAULTS_SHOWN_MAX = 100
LEFT_OUT = ("occurred_minute",)
"""Fields that a file has no column for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row; row 1 has the headings."""

    row: int
    column: str
    """English label; empty: the whole row."""
    message: str
    """Translated."""


def headings() -> dict[str, str]:
    """Fields with their English labels, in the order of a template."""
    return {one.name: str(one.meta.title) for one in declared(OpinionForm) if one.name not in LEFT_OUT}


def _known() -> dict[str, str]:
    """Field by heading in any language."""
    found = {}
    for name, label in headings().items():
        for text in (label, *(catalog(path.name).gettext(label) for path in sorted(CATALOGS.iterdir()))):
            found[text.strip().casefold()] = name
    return found


def import_opinions(service: Service, visitor: Visitor, content: bytes, file_name: str) -> tuple[int, list[Fault]]:
    """Take a file over; how many records were made, or none and what is wrong."""
    rows = read_sheet(content)
    known = _known()
    columns = {n: known[head.strip().casefold()] for n, head in enumerate(rows[0]) if head.strip().casefold() in known}
    for name in ("area", "content"):
        if name not in columns.values():
            label = translate(headings()[name])
            raise RefusedError("The file has no column {name}: take the template's headings.", name=label)
    if len(rows) - 1 > ROWS_MAX:
        raise RefusedError("A file has at most {most} rows: split it.", most=ROWS_MAX)
    forms: list[OpinionForm] = []
    faults: list[Fault] = []
    with service.database.read() as session:
        context = FormContext(session, visitor, References(bytes(32)))
        words = _words(context)
        for number, row in enumerate(rows[1:], 2):
            texts = {name: [_value(words, name, row[place])] for place, name in columns.items() if row[place].strip()}
            bound: Bound[OpinionForm] = bind(OpinionForm, texts, context)
            if bound.value is not None:
                forms.append(bound.value)
            faults += [Fault(number, headings().get(name, name), text) for name, text in bound.errors.items()]
    if faults:
        return 0, faults
    return _keep(service, visitor, forms, file_name)


def _keep(service: Service, visitor: Visitor, forms: Sequence[OpinionForm], file_name: str) -> tuple[int, list[Fault]]:
    row = 1
    try:
        with service.database.write() as session:
            for form in forms:
                row += 1
                put_form(service, session, visitor, form)
            service.audit.append(session, visitor, MODULE, "import", file_name[:80], records=len(forms))
    except RefusedError as error:  # nothing of the file is kept
        return 0, [Fault(row, "", translate(error.message).format(**error.values))]
    return len(forms), []


def _words(context: FormContext) -> Mapping[str, Mapping[str, str]]:
    """What people write in place of a code, by field."""
    found: dict[str, dict[str, str]] = {}
    for name, choices in (
        ("kind", OPINION_KINDS),
        ("area", area_choices(context)),
        ("department_id", department_choices(context)),
    ):
        found[name] = {str(label).casefold(): str(key) for key, label in choices.items()}
        found[name] |= {translate(str(label)).casefold(): str(key) for key, label in choices.items()}
        if name == "kind":
            for path in sorted(CATALOGS.iterdir()):
                found[name] |= {catalog(path.name).gettext(str(text)): str(key) for key, text in choices.items()}
    return found


def _value(words: Mapping[str, Mapping[str, str]], name: str, cell: str) -> str:
    return words.get(name, {}).get(cell.strip().casefold(), cell.strip())
