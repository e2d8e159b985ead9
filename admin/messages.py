"""Keeps the catalogs complete: `python -m admin.messages members` writes what is new into members.po, to be translated.

A language has a catalog per area; what no page says any more goes from whichever has it.

Texts are those of the templates, of `_("…")` and `translate("…")` in Python,
of refusals, and names that are made from the switch's own words.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from switch.protocol.messages import CardFlag, MediumKind, MediumState

from .i18n import CATALOGS, LOCALES, catalog_files
from .words import CODES, OPERATIONS

HERE = Path(__file__).parent
FUNCTIONS = {"_": None, "gettext": None, "ngettext": (1, 2), "translate": None, "RefusedError": None}
Text = str | tuple[str, ...]


def texts() -> Iterator[Text]:
    """Every text that a page may show, in English; pairs are singular and plural."""
    for path in sorted(HERE.rglob("*.py")):
        for _line, message, _comments, _context in extract_from_file("python", path, FUNCTIONS):
            yield message
    for path in sorted((HERE / "templates").glob("*.html")):
        for _line, message, _comments, _context in extract_from_file(
            "jinja2.ext:babel_extract",
            path,
            FUNCTIONS,
            options={"trim_blocks": "true"},
        ):
            yield message
    yield from (*CODES.values(), *OPERATIONS.values())
    for enumeration in (CardFlag, MediumKind, MediumState):
        for member in enumeration:
            yield str(member.name)
    yield from _audit_words()
    from .api import summaries  # puts the whole interface together

    yield from summaries.texts()


def _audit_words() -> Iterator[str]:
    """Modules, actions and outcomes that the audit log names: they are arguments of `append`, `refused`, `looked`."""
    from .rights import FUNCTIONS as RIGHTS
    from .rights import Action

    yield from RIGHTS
    yield from (action.value for action in Action)
    yield from ("sign-in", "done", "refused", "failed", "looked")
    yield from ("draft", "submit", "send", "withdraw", "reject", "retry")  # what is noted of documents
    for path in sorted(HERE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _APPENDING:
                place = _APPENDING[node.func.attr]
                if len(node.args) > place and isinstance(value := node.args[place], ast.Constant):
                    yield str(value.value)


_APPENDING = {"append": 3, "refused": 2}
"""Calls that write to the log, and which argument names the action."""


def read_catalog(path: Path, locale: str) -> Catalog:
    """A catalog as it is on disk; an empty one when there is none."""
    if not path.exists():
        return Catalog(locale, charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale)


def missing(locale: str) -> list[Text]:
    """Texts that no catalog translates."""
    catalogs = [read_catalog(path, locale) for path in catalog_files(locale)]
    return [text for text in dict.fromkeys(texts()) if not any(_is_translated(one, text) for one in catalogs)]


def main(area: str = "messages") -> int:
    """Add what is new to the catalog of an area, drop what is gone from all, and say what is not translated."""
    wanted = {_id(text): text for text in texts()}
    for locale in LOCALES:
        if locale == "en":
            continue
        known: set[str] = set()
        own = CATALOGS / locale / "LC_MESSAGES" / f"{area}.po"
        own.parent.mkdir(parents=True, exist_ok=True)
        for path in [*(path for path in catalog_files(locale) if path != own), own]:  # its own last: it takes the rest
            old, new = read_catalog(path, locale), Catalog(locale, charset="utf-8", fuzzy=False)
            for name, text in wanted.items():
                before = old.get(name)
                if name not in known and (before is not None or path == own):
                    new.add(text, before.string if before is not None else "")
                    known.add(name)
            with path.open("wb") as file:
                write_po(file, new, width=120, omit_header=True, no_location=True, sort_output=True)
        print(f"{locale}: {len(known)} texts, {len(missing(locale))} without a translation")
    return 0


def _id(text: Text) -> str:
    return text if isinstance(text, str) else text[0]


def _is_translated(catalog: Catalog, text: Text) -> bool:
    message = catalog.get(_id(text))
    if message is None or not message.string:
        return False
    return all(message.string) if isinstance(message.string, tuple) else True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
