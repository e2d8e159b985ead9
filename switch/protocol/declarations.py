"""Reading the declarations: what the generated files are made from, and in which order.

Part of `render.py`, a tool for the source tree.  Nothing at run time imports it.
"""

from __future__ import annotations

import ast
import enum
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

from . import (
    bill,
    cards,
    codes,
    configuration,
    configuration_records,
    day_close,
    entries,
    envelope,
    following,
    heads,
    limits,
    messages,
    money,
    points,
    record_kinds,
    records,
    rules,
    security,
    security_records,
    terms,
    value_records,
)
from .layout import Packed

PARTS: dict[ModuleType, tuple[ModuleType, ...]] = {
    messages: (envelope, bill, money, points, day_close, cards, configuration, rules, security, following),
    records: (value_records, configuration_records, security_records, entries),
    heads: (heads,),
}
"""Modules that declare the structs which an index module has, in the order of the generated files."""

ENUM_PREFIXES: dict[type[enum.IntEnum] | type[enum.IntFlag], str] = {
    messages.MessageType: "TYPE",
    codes.ResponseCode: "CODE",
    records.RecordKind: "KIND",
    records.MarkKind: "MARK",
    messages.CardStatus: "CARD",
    messages.TerminalStatus: "TERMINAL",
    messages.Right: "RIGHT",
    messages.CardTypeFlag: "CARD_TYPE",
    messages.CardFlag: "CARD_FLAG",
    messages.CardOperation: "OP",
    messages.OperationFlag: "OP_FLAG",
    messages.FeeKind: "FEE",
    messages.FeeTender: "FEE_TENDER",
    messages.Function: "FUNCTION",
    messages.Relation: "RELATION",
    messages.TypeState: "TYPE_STATE",
    messages.AutoRecharge: "AUTO",
    messages.RechargeChannel: "CHANNEL",
    messages.DebitFlag: "DEBIT",
    messages.LineFlag: "LINE",
    messages.TenderKind: "TENDER",
    messages.Settlement: "SETTLEMENT",
    messages.RuleLayer: "LAYER",
    messages.RuleAction: "ACTION",
    messages.PointsCategoryFlag: "CATEGORY",
    messages.AllowedList: "ALLOWED_LIST",
    messages.OrganisationNode: "NODE",
    messages.RulesetState: "RULESET",
    messages.PinMode: "PIN_MODE",
    messages.DayCloseState: "DAY_CLOSE",
    messages.RecordsEnd: "RECORDS",
    messages.SwitchMode: "MODE",
    messages.TerminalFlag: "TERMINAL_FLAG",
    messages.MediumKind: "MEDIUM",
    messages.MediumState: "MEDIUM",
    messages.MediumFlag: "MEDIUM_FLAG",
    messages.EvidenceFlag: "EVIDENCE",
    messages.EvidenceOutcome: "OUTCOME",
    messages.ReferReason: "REFER",
    messages.PolicyFlag: "POLICY",
    messages.KeyPurpose: "PURPOSE",
    messages.KeyState: "KEY",
    messages.AlarmKind: "ALARM",
    messages.AlarmState: "ALARM_STATE",
}
"""Enumerations that the fast path sees, with the prefix of their C names."""

CONSTANTS: dict[ModuleType, tuple[str, ...]] = {
    terms: (
        "PROTOCOL_VERSION",
        "REPLY_BIT",
        "LINE_COUNT_MAX",
        "TENDER_COUNT_MAX",
        "PIN_BYTES",
        "AMOUNT_MINOR_MAX",
        "NO_LIMIT",
        "NO_COUNT_LIMIT",
    ),
    entries: (
        "ENTRY_ALIGN_BYTES",
        "ENTRY_VERSION",
        "BLOCK_MAGIC",
        "BLOCK_VERSION",
        "HASHED_HEADER_BYTES",
        "CHECKED_HEADER_BYTES",
    ),
    security: ("EVIDENCE_BYTES", "FOUND_BYTES"),
    record_kinds: ("GONE", "FIRST_WIDE_KEY_KIND", "RECORD_BYTES_MAX"),
    limits: tuple(
        name for name in vars(limits) if name.isupper() and not name.startswith("_") and name not in vars(terms)
    ),
}
"""Integer constants that the fast path sees."""


def packed_classes(index: ModuleType) -> Iterator[type[Packed]]:
    """Packed structs that the parts of an index module declare, in the order of the parts and of their source."""
    for module in PARTS[index]:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Packed) and value.__module__ == module.__name__:
                yield value


def attribute_docstrings(source_of: ModuleType | type) -> dict[str, str]:
    """Texts that stand right below assignments, by the name assigned to; Python itself forgets them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(source_of)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else tree.body
    texts: dict[str, str] = {}
    for statement, text_below in pairwise(body):
        match statement, text_below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = " ".join(text.split())
    return texts


def summary(cls: type) -> str:
    """First line of a docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0]


def enum_texts(cls: type[enum.Enum]) -> dict[str, str]:
    """What each member of an enumeration means, by its name."""
    if cls is codes.ResponseCode:
        return {code.name: meaning for code, (_, meaning) in codes.MEANINGS.items()}
    return attribute_docstrings(cls)
