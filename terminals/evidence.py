"""What a till sends the switch of a medium, and what it writes back: docs/card-formats.md into messages and back.

Nothing is judged here: the switch holds the keys. Layout of proofs: docs/decision.md, section 18.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hsm.bar_code import BarCode
from hsm.cards import AcAnswer, AcData
from switch.protocol.messages import Evidence, EvidenceFlag, IssuerAnswer, MediumKind

from .chip.sun_message import SunMessage
from .swipe import StripeRead

PROOF_BYTES = 16
DEBIT_TYPE = 0
"""Kind of transaction in a chip's cryptogram."""
TICKET_SHOWN = 1000
"""A stripe shows its ticket modulo this."""
TICKET_MAC_DIGITS = 5


def chip_data(
    challenge: bytes, amount_minor: int, currency: int, stamp_ms: int, terminal_id: int, kind: int = DEBIT_TYPE
) -> AcData:
    """What a chip is asked to authenticate for a request with this amount and stamp.

    `challenge` is the session's (8 bytes), `currency` an ISO 4217 number; ValueError (of `hsm`) for an amount that
    does not fit.
    """
    return AcData(challenge, amount_minor, currency, kind, stamp_ms // 1000, b"%08X" % terminal_id)


def chip_evidence(uid: bytes, asked: AcData, answer: AcAnswer, *, is_contactless: bool) -> Evidence:
    """Evidence of a chip's cryptogram; good for one request, with the amount and the second that were asked about."""
    return Evidence(
        medium=MediumKind.CHIP,
        key_version=answer.key_version,
        flags=EvidenceFlag.CONTACTLESS if is_contactless else 0,
        counter=answer.atc,
        medium_id=int.from_bytes(uid, "big"),
        challenge=asked.unpredictable_number,
        chain=int.from_bytes(answer.chain, "big"),
        chip_flags=answer.flags,
        currency=asked.currency,
        proof=answer.cryptogram.ljust(PROOF_BYTES, b"\0"),
    )


def code_evidence(shown: BarCode) -> Evidence:
    """Evidence of a dynamic code; it finds its card, so the request's card number may be 0."""
    return Evidence(
        medium=MediumKind.CODE,
        key_version=shown.key_version_digit,
        counter=shown.sequence_shown,
        medium_id=int(shown.token),
        proof=struct.pack("<I", int(shown.code)).ljust(PROOF_BYTES, b"\0"),
    )


def stripe_evidence(read: StripeRead, *, can_write: bool, is_fallback: bool = False) -> Evidence:
    """Evidence of a swipe. `can_write`: the till will rewrite the stripe; `is_fallback`: the card's chip failed."""
    expiry_yymm = read.expiry_year * 100 + read.expiry_month
    proof = struct.pack("<IHHH", int(read.ticket_mac), int(read.cvv), int(read.service_code), expiry_yymm)
    return Evidence(
        medium=MediumKind.STRIPE,
        key_version=read.key_version_digit,
        flags=(EvidenceFlag.CAN_WRITE if can_write else 0) | (EvidenceFlag.FALLBACK if is_fallback else 0),
        issue=read.issue_digit,
        counter=read.ticket_shown,
        proof=proof.ljust(PROOF_BYTES, b"\0"),
    )


def tag_evidence(message: SunMessage, key_version: int = 1) -> Evidence:
    """Evidence of a tag, which does not say its key version; the request's card number may be 0."""
    return Evidence(medium=MediumKind.TAG, key_version=key_version, proof=message.picc_data, tag_mac=message.mac)


def issuer_answer_bytes(answer: IssuerAnswer) -> bytes:
    """A chip's issuer answer as the card takes it (`hsm.cards.issuer_answer`, 16 bytes)."""
    return answer.next.to_bytes(4, "big") + answer.command.to_bytes(2, "big") + bytes(2) + answer.mac


def renewed_stripe(read: StripeRead, answer: IssuerAnswer) -> StripeRead:
    """The stripe with the ticket that the switch has answered with."""
    (digits,) = struct.unpack_from("<I", answer.mac)
    return replace(read, ticket_shown=answer.next % TICKET_SHOWN, ticket_mac=f"{digits:0{TICKET_MAC_DIGITS}d}")
