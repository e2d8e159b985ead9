"""Evidence as a row tells it: what was read of a medium, and what was found in it.

    chip=901:11:100>101/CONTACTLESS     UID, counter, chain that it shows, and the next one that it is given
    code=7001:5000                      token, number found behind its two digits
    stripe=A:42>43/CAN_WRITE            card, counter found behind its three digits, and the next one
    tag=801:5                           UID, counter

Behind a slash: flags, the outcome if it is not GENUINE, `v2` for the key version if it is not 1.
"""

from __future__ import annotations

import re

from switch.protocol.messages import Evidence, EvidenceFlag, EvidenceOutcome, MediumKind

from .table import number

MEDIA = {kind.name.lower(): kind for kind in MediumKind if kind != MediumKind.NUMBER}
"""Options that carry evidence."""
ISSUER_MAC = b"from us."


def card_or_id(text: str) -> int:
    """A stripe's card by its letter, another medium by its number."""
    return 60_000_000 + ord(text) if re.fullmatch("[A-Z]", text) else number(text)


def evidence_of(options: dict[str, str]) -> bytes:
    """The evidence that a row names, examined; nothing if it names none."""
    named = [(kind, options[word]) for word, kind in MEDIA.items() if word in options]
    return b"".join(_evidence(kind, text).encode() for kind, text in named)


def _evidence(kind: MediumKind, text: str) -> Evidence:
    what, *words = text.split("/")
    before, _, following = what.partition(">")
    medium_id, counter, chain = (*before.split(":"), "0", "0")[:3]
    flags, outcome, version = 0, EvidenceOutcome.GENUINE, 1
    for word in words:
        if word in EvidenceFlag.__members__:
            flags |= EvidenceFlag[word]
        elif word in EvidenceOutcome.__members__:
            outcome = EvidenceOutcome[word]
        else:
            version = number(word.removeprefix("v"))
    shown = {MediumKind.CODE: 100, MediumKind.STRIPE: 1000, MediumKind.TAG: 1}.get(kind, 2**32)
    is_read = kind in (MediumKind.CHIP, MediumKind.CODE)
    return Evidence(
        medium=kind,
        key_version=version,
        flags=flags,
        counter=number(counter) % shown,
        medium_id=card_or_id(medium_id) if is_read else 0,
        chain=number(chain),
        found_counter=number(counter),
        found_medium_id=card_or_id(medium_id),
        next=number(following or "0"),
        outcome=outcome,
        found_key_version=version,
        answer=ISSUER_MAC,
    )
