"""Words of the trade: an installation for a clinic speaks of patients and treatments, one for a hotel of guests.

What members, stores and products are called is a set of parameters, in both languages.  A word that was changed takes
the place of the usual one in every text of the service, never in what people have typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

_ = str
WORD_PREFIX = "word."
"""Names of the parameters that say what things are called."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word that a trade may change: the name of its parameter, its language, and what is usual."""

    name: str
    label: str
    locale: str
    usual: str


TERMS: tuple[Term, ...] = (
    Term("word.member.en", _("A member, in English"), "en", "member"),
    Term("word.members.en", _("Members, in English"), "en", "members"),
    Term("word.member.zh", _("A member, in Chinese"), "zh", "会员"),
    Term("word.store.en", _("A store, in English"), "en", "store"),
    Term("word.stores.en", _("Stores, in English"), "en", "stores"),
    Term("word.store.zh", _("A store, in Chinese"), "zh", "门店"),
    Term("word.product.en", _("A product, in English"), "en", "product"),
    Term("word.products.en", _("Products, in English"), "en", "products"),
    Term("word.product.zh", _("A product, in Chinese"), "zh", "商品"),
    Term("word.unit.en", _("Unit of products that name none, in English"), "en", "pieces"),
    Term("word.unit.zh", _("Unit of products that name none, in Chinese"), "zh", "件"),
)
UNITS = {"en": "word.unit.en", "zh": "word.unit.zh"}
"""Parameters that say a unit: it is shown beside quantities, and is no word to be replaced in texts."""

ALSO = {"word.product.zh": ("产品",)}
"""What the catalog says for the same thing."""
VOWELS = frozenset("aeiou")
PLACES = r"%\(\w+\)s|\{\w+\}"
"""Of values in a text: their names are not words of it."""
ARTICLE = re.compile(r"\b([Aa])n? $")


@dataclass(frozen=True, slots=True)
class Words:
    """What things are called here, by language: pairs of the usual word and the one that takes its place."""

    pairs: tuple[tuple[str, str, str], ...] = ()
    """(language, usual word, own word); only those that differ."""
    units: tuple[str, str] = ("pieces", "件")
    """What products are counted in that name no unit, in English and in Chinese."""

    def said(self, locale: str, text: str) -> str:
        """A text of the service in the words of the trade."""
        return _said(self.pairs, locale, text) if self.pairs else text


def words_of(values: Mapping[str, str]) -> Words:
    """Words from the values of parameters."""
    return Words(
        tuple(
            (term.locale, usual, value)
            for term in TERMS
            for usual in (term.usual, *ALSO.get(term.name, ()))
            if term.name not in UNITS.values() and (value := values[term.name]) != term.usual
        ),
        (values["word.unit.en"], values["word.unit.zh"]),
    )


@lru_cache(maxsize=8192)  # the texts of all pages, in both languages
def _said(pairs: tuple[tuple[str, str, str], ...], locale: str, text: str) -> str:
    own = {usual: word for language, usual, word in pairs if language == locale}
    if not own:
        return text
    usual = "|".join(re.escape(word) for word in own)
    if locale != "en":
        return re.sub(f"{PLACES}|{usual}", lambda found: own.get(found[0], found[0]), text)
    pieces: list[str] = []
    end = 0
    for found in re.finditer(rf"{PLACES}|\b(?:{usual})\b", text, re.IGNORECASE):
        if found[0].lower() not in own:
            continue
        word = own[found[0].lower()]
        before = text[end : found.start()]
        article = "an" if word[:1].lower() in VOWELS else "a"
        if old := ARTICLE.search(before):
            before = before[: old.start()] + _like(old[1], article) + " "
        pieces += [before, _like(found[0], word)]
        end = found.end()
    return "".join([*pieces, text[end:]])


def _like(model: str, word: str) -> str:
    """A word with a capital where the one had it that it takes the place of."""
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


words_now: ContextVar[Words] = ContextVar("words_now", default=Words())  # noqa: B039 (it is frozen)
"""Words of the installation whose request is at hand."""
