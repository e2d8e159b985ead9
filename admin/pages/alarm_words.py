"""Alarms in words: kinds, states, what each means and what to do."""

from __future__ import annotations

from typing import Any

from admin.access import Visitor
from admin.words import ALARM_KINDS, ALARM_STATES
from switch.protocol.messages import AlarmKind, AlarmState, MediumKind

_ = str
WHAT: dict[int, str] = {
    AlarmKind.CLONE: _("Two media with one identity. The payment was refused and the card is frozen."),
    AlarmKind.CODE_REPLAY: _("A code or a tag's message was shown again elsewhere. It was refused; the card goes on."),
    AlarmKind.ENUMERATION: _("A terminal sent too many wrong proofs. It is in quarantine; no card is stopped."),
    AlarmKind.TRAVEL: _("Used in another store sooner than anybody travels. The PIN is asked for."),
}
TO_DO: dict[int, tuple[str, ...]] = {
    AlarmKind.CLONE: (
        _("Ask the holder which sighting was his, and secure video and receipts of the other one."),
        _("Give him another card, end the media of this one, then clear or confirm."),
    ),
    AlarmKind.CODE_REPLAY: (_("Ask the holder. If he was robbed of his code, end the medium and enrol another one."),),
    AlarmKind.ENUMERATION: (
        _("Look at the terminal before it sells again. If it is lost, block it."),
        _("End its quarantine, or give it a new key."),
    ),
    AlarmKind.TRAVEL: (_("Ask the holder. If one use was not his, freeze the card."),),
}
TONES: dict[int, str] = {AlarmState.NEW: "bad", AlarmState.ACKNOWLEDGED: "warn", AlarmState.CONFIRMED: "bad"}
MEDIA: dict[int, str] = {
    MediumKind.NUMBER: _("Number alone"),
    MediumKind.CHIP: _("Chip"),
    MediumKind.CODE: _("Dynamic code"),
    MediumKind.STRIPE: _("Magnetic stripe"),
    MediumKind.TAG: _("NFC tag"),
}


def words() -> dict[str, Any]:
    """For templates."""
    return {"kinds": ALARM_KINDS, "states": ALARM_STATES, "tones": TONES, "medium_names": MEDIA}


def shown_alarm(row: Any, visitor: Visitor, references: Any) -> dict[str, Any]:
    """An alarm with its card as the visitor may see it."""
    return {
        "alarm": row,
        "card": visitor.card_number(row.card_number) if row.card_number else "",
        "reference": references.make(row.card_number) if row.card_number else "",
    }
