"""Every answer the switch can give, by name, with what the sender should do next.

The numbers below 100 follow ISO 8583 field 39 where that standard has a
meaning for them; from 100 on they are our own.  Checks run in the order of
`PRECEDENCE`: the first one that fails is the answer.
"""

from __future__ import annotations

import enum


class CodeClass(enum.Enum):
    """What the sender of a refused request does next."""

    APPROVED = "approved"
    FINAL = "final"
    """The answer will not change for this trace number; do not send it again."""
    RETRY = "retry"
    """Nothing was recorded; send the same bytes again after `retry_after_ms`."""
    ERROR = "error"
    """The sender is broken or misconfigured; nothing was recorded; correct it before sending more."""


class ResponseCode(enum.IntEnum):
    """Outcome of one request. Journaled codes are final for their trace number."""

    APPROVED = 0
    REFER = 1
    PARTIAL = 10
    AMOUNT = 13
    CARD_UNKNOWN = 14
    BLACKLISTED = 34
    CLONE = 35
    MEDIUM_REQUIRED = 36
    MEDIUM_FORBIDDEN = 37
    MEDIUM_UNKNOWN = 38
    MEDIUM_REVOKED = 39
    KEY_VERSION = 40
    COUNTER_JUMP = 41
    CODE_STALE = 42
    CHALLENGE_STALE = 43
    CODE_USED = 44
    FALLBACK_FORBIDDEN = 45
    MEDIUM_AMOUNT = 46
    FUNDS = 51
    EXPIRED = 54
    PIN_WRONG = 55
    PIN_REQUIRED = 56
    PRODUCT_FORBIDDEN = 57
    STORE_FORBIDDEN = 58
    FUNCTION_OFF = 59
    SINGLE_AMOUNT = 60
    DAILY_AMOUNT = 61
    CARD_STATUS = 62
    PROOF_WRONG = 63
    DAILY_COUNT = 65
    RECHARGE_COUNT = 66
    RECHARGE_AMOUNT = 67
    OVER_CEILING = 68
    NOT_RELOADABLE = 69
    OUTLET_FORBIDDEN = 70
    OPERATOR_FORBIDDEN = 71
    CREDITED_BEFORE = 72
    PRICE_UNKNOWN = 73
    PRICE_CHANGED = 74
    PIN_LOCKED = 75
    TENDER_MISMATCH = 76
    POINTS_FUNDS = 77
    POINTS_CAP = 78
    VISITS_FUNDS = 79
    HOLD_UNKNOWN = 80
    HOLDS_FULL = 81
    HOLDS_OPEN = 82
    VALUE_LEFT = 83
    CHANGED_SINCE = 84
    SAME_PERSON = 85
    RESTORE_FORBIDDEN = 86
    RESERVED_SKIPPED = 87
    NOT_DUE = 88
    OTHER_CARDS = 89
    TOTALS_DIFFER = 90
    REFUND_EXCEEDS = 91
    GIFT_UNKNOWN = 92
    GIFT_CONDITION = 93
    GIFT_STOCK = 94
    CATEGORY_UNKNOWN = 95
    RECEIPT_CREDITED = 96
    RECEIPT_TOO_OLD = 97
    CUSTODY = 98
    MEMBER_REQUIRED = 99
    # Originals
    REVERSED_BEFORE = 100
    ORIGINAL_MISMATCH = 101
    ORIGINAL_NOT_REVERSIBLE = 102
    ORIGINAL_OUTSIDE_WINDOW = 103
    ORIGINAL_UNKNOWN = 104
    # Configuration
    FIELD_INVALID = 110
    CARD_EXISTS = 111
    CARD_TYPE_UNKNOWN = 112
    ACCOUNT_UNKNOWN = 113
    STORE_UNKNOWN = 114
    TABLE_FULL = 115
    TYPE_STATE = 116
    TYPE_FROZEN = 117
    NUMBER_RULE = 118
    FEE_REFUSED = 119
    RULESET_STATE = 120
    RULES_INVALID = 121
    ORGANISATION_UNKNOWN = 122
    DONE_BEFORE = 123
    RANGE_CUT = 124
    MEDIUM_EXISTS = 125
    KEY_UNKNOWN = 126
    KEY_STATE = 127
    KEY_IN_USE = 128
    ALARM_UNKNOWN = 129
    ALARM_STATE = 130
    TERMINAL_UNKNOWN = 131
    CHANGED_KEY = 132
    # Not journaled: nothing was recorded under this trace number
    NOT_PERMITTED = 200
    TRACE_REUSED = 201
    BUSINESS_DATE = 202
    POSITION_UNKNOWN = 203
    BUSY = 210
    DISK_FULL = 211
    WINDOW_FULL = 212
    QUARANTINED = 213
    KEY_MATERIAL = 214
    # Errors of form, answered by an error reply
    TYPE_UNKNOWN = 220
    LENGTH = 221
    RESERVED_NOT_ZERO = 222
    # Sign-on, answered in clear
    VERSION = 230
    SIGN_ON_REFUSED = 231


_APPROVED, _FINAL, _RETRY, _ERROR = CodeClass.APPROVED, CodeClass.FINAL, CodeClass.RETRY, CodeClass.ERROR

MEANINGS: dict[ResponseCode, tuple[CodeClass, str]] = {
    ResponseCode.APPROVED: (
        _APPROVED,
        "Done, and durable. Of a reversal: its original has no effect any more, or will never have one.",
    ),
    ResponseCode.REFER: (
        _FINAL,
        "A PIN is needed; `detail` says why (ReferReason). Ask for it, and read the medium again.",
    ),
    ResponseCode.PARTIAL: (
        _APPROVED,
        "Done for a part, as the request allowed: `amount_minor` was taken, the rest of the bill is still to be paid.",
    ),
    ResponseCode.AMOUNT: (
        _FINAL,
        "Amount is not above zero (zero passes where the card type allows it), or an amount, a bill or a balance would "
        "be too large.",
    ),
    ResponseCode.CARD_UNKNOWN: (_FINAL, "No card has this number."),
    ResponseCode.BLACKLISTED: (_FINAL, "The card is on the blacklist."),
    ResponseCode.CLONE: (
        _FINAL,
        "Two media have this identity: the card is frozen, and security staff have both sightings.",
    ),
    ResponseCode.MEDIUM_REQUIRED: (_FINAL, "A number alone does not pay with this card type: read the medium."),
    ResponseCode.MEDIUM_FORBIDDEN: (_FINAL, "The card type does not pay by this medium."),
    ResponseCode.MEDIUM_UNKNOWN: (_FINAL, "No such medium is enrolled, or it belongs to another card."),
    ResponseCode.MEDIUM_REVOKED: (_FINAL, "The medium was revoked."),
    ResponseCode.KEY_VERSION: (
        _FINAL,
        "The medium's key version is retired, unknown, or older than one it has shown before.",
    ),
    ResponseCode.COUNTER_JUMP: (_FINAL, "The chip's counter jumped too far: security staff must look at it."),
    ResponseCode.CODE_STALE: (_FINAL, "The code is of another minute: show a fresh one."),
    ResponseCode.CHALLENGE_STALE: (_FINAL, "The cryptogram is for another session: read the chip again."),
    ResponseCode.CODE_USED: (_FINAL, "The code or tag message was used before: show a fresh one."),
    ResponseCode.FALLBACK_FORBIDDEN: (
        _FINAL,
        "The card has a chip: its stripe pays only when the chip failed, and little.",
    ),
    ResponseCode.MEDIUM_AMOUNT: (_FINAL, "The amount is above what the medium may pay."),
    ResponseCode.FUNDS: (_FINAL, "Less is available than the amount."),
    ResponseCode.EXPIRED: (_FINAL, "The card's last date of use has passed."),
    ResponseCode.PIN_WRONG: (_FINAL, "The PIN is wrong; it counts as a try."),
    ResponseCode.PIN_REQUIRED: (_FINAL, "The card type asks for a PIN, and none came or none was ever set."),
    ResponseCode.PRODUCT_FORBIDDEN: (
        _FINAL,
        "A line of the bill may not be paid with such a card; `detail` is the first such line, from 0.",
    ),
    ResponseCode.STORE_FORBIDDEN: (_FINAL, "The card type is not accepted in this store."),
    ResponseCode.FUNCTION_OFF: (_FINAL, "The card type lacks the function: pay, points or visits."),
    ResponseCode.SINGLE_AMOUNT: (_FINAL, "The amount is above the maximum for one debit, the type's or the card's."),
    ResponseCode.DAILY_AMOUNT: (
        _FINAL,
        "The approved debits of this business date would exceed the limit: the account's by the type, or the card's.",
    ),
    ResponseCode.CARD_STATUS: (_FINAL, "The card's status does not allow it; `detail` is the status."),
    ResponseCode.PROOF_WRONG: (_FINAL, "The medium's proof does not fit: forged, damaged, or read wrongly."),
    ResponseCode.DAILY_COUNT: (
        _FINAL,
        "The approved debits of this business date are as many as allowed: the account's by the type, or the card's.",
    ),
    ResponseCode.RECHARGE_COUNT: (_FINAL, "As many recharges as this business date allows were made."),
    ResponseCode.RECHARGE_AMOUNT: (_FINAL, "The recharges of this business date would exceed the limit."),
    ResponseCode.OVER_CEILING: (
        _FINAL,
        "The balance would exceed the ceiling; nothing was credited, not a part either.",
    ),
    ResponseCode.NOT_RELOADABLE: (_FINAL, "The card type has one-time value."),
    ResponseCode.OUTLET_FORBIDDEN: (_FINAL, "This store may not recharge cards of the type."),
    ResponseCode.OPERATOR_FORBIDDEN: (_FINAL, "This operator may not recharge cards of the type."),
    ResponseCode.CREDITED_BEFORE: (_FINAL, "The channel's reference was credited before."),
    ResponseCode.PRICE_UNKNOWN: (_FINAL, "An article has no price in the card's price class, nor a retail price."),
    ResponseCode.PRICE_CHANGED: (_FINAL, "The bill comes to another amount than was quoted; quote again."),
    ResponseCode.PIN_LOCKED: (_FINAL, "Too many wrong PINs; the desk must reset it."),
    ResponseCode.TENDER_MISMATCH: (_FINAL, "The tenders do not add up to what is due, or one of them cannot be read."),
    ResponseCode.POINTS_FUNDS: (_FINAL, "The category has fewer points than the request needs."),
    ResponseCode.POINTS_CAP: (_FINAL, "Points may not pay so large a part of the bill, or the category cannot pay."),
    ResponseCode.VISITS_FUNDS: (_FINAL, "Fewer visits of the service are left, or they have expired."),
    ResponseCode.HOLD_UNKNOWN: (_FINAL, "No open hold of the card's account has this sequence (any more)."),
    ResponseCode.HOLDS_FULL: (_FINAL, "The account has as many open holds as it may have."),
    ResponseCode.HOLDS_OPEN: (_FINAL, "Amounts are still held on the account; capture or release them first."),
    ResponseCode.VALUE_LEFT: (_FINAL, "The account still has value; return it, or write it off by a document."),
    ResponseCode.CHANGED_SINCE: (_FINAL, "The account changed since the preview; nothing was done."),
    ResponseCode.SAME_PERSON: (_FINAL, "A second person is needed, and none was named or it was the same."),
    ResponseCode.RESTORE_FORBIDDEN: (_FINAL, "Lost cards of the type are neither restored nor replaced."),
    ResponseCode.RESERVED_SKIPPED: (_FINAL, "The number is reserved and was skipped."),
    ResponseCode.NOT_DUE: (_FINAL, "The card has not passed its last date of use."),
    ResponseCode.OTHER_CARDS: (_FINAL, "Other cards still use the account; return them first."),
    ResponseCode.TOTALS_DIFFER: (_FINAL, "The terminal's totals are not the switch's; the reply has the switch's."),
    ResponseCode.REFUND_EXCEEDS: (_FINAL, "More would be refunded than the original, or a line of it, has left."),
    ResponseCode.GIFT_UNKNOWN: (_FINAL, "No gift has this number, or not on this date."),
    ResponseCode.GIFT_CONDITION: (_FINAL, "Level, pieces or points asked for do not meet the gift's conditions."),
    ResponseCode.GIFT_STOCK: (_FINAL, "Fewer pieces are left."),
    ResponseCode.CATEGORY_UNKNOWN: (_FINAL, "The points category does not exist or is disabled, or cannot do this."),
    ResponseCode.RECEIPT_CREDITED: (_FINAL, "The receipt has earned its points before."),
    ResponseCode.RECEIPT_TOO_OLD: (_FINAL, "The date of sale is too long ago, or to come."),
    ResponseCode.CUSTODY: (_FINAL, "The card is not in this store's custody."),
    ResponseCode.MEMBER_REQUIRED: (_FINAL, "Cards of the type are issued to a named member only."),
    ResponseCode.REVERSED_BEFORE: (
        _FINAL,
        "A reversal named this trace number before it was used; the request, whatever it is, is not applied.",
    ),
    ResponseCode.ORIGINAL_MISMATCH: (
        _FINAL,
        "Card or amount differ from the original's, or the request names itself, or its lines are not the original's.",
    ),
    ResponseCode.ORIGINAL_NOT_REVERSIBLE: (_FINAL, "The original is of a type that cannot be undone, or was undone."),
    ResponseCode.ORIGINAL_OUTSIDE_WINDOW: (
        _FINAL,
        "The original's business date is neither the current nor the previous one.",
    ),
    ResponseCode.ORIGINAL_UNKNOWN: (_FINAL, "No approved debit or capture has this sequence."),
    ResponseCode.FIELD_INVALID: (
        _FINAL,
        "A field's value is not allowed; `detail` is its offset in the body.",
    ),
    ResponseCode.CARD_EXISTS: (_FINAL, "A card with this number exists already."),
    ResponseCode.CARD_TYPE_UNKNOWN: (_FINAL, "No card type has this code, or no version of it is in force."),
    ResponseCode.ACCOUNT_UNKNOWN: (
        _FINAL,
        "No account has this number. An account is named by its first card; a further card's number is no account's.",
    ),
    ResponseCode.STORE_UNKNOWN: (_FINAL, "No store has this number."),
    ResponseCode.TABLE_FULL: (_FINAL, "A table has reached its maximum, a setting of the switch."),
    ResponseCode.TYPE_STATE: (_FINAL, "The card type's state does not allow it; `detail` is the state."),
    ResponseCode.TYPE_FROZEN: (
        _FINAL,
        "The card type is in use: `detail` is the offset of a field that cannot change any more, or of from_date, "
        "which must be to come.",
    ),
    ResponseCode.NUMBER_RULE: (_FINAL, "The card number does not follow the type's number rule."),
    ResponseCode.FEE_REFUSED: (
        _FINAL,
        "The fee may not be waived, or not be taken from the balance, or it has too little.",
    ),
    ResponseCode.RULESET_STATE: (_FINAL, "The set of rules is active already, or another one begins on the same date."),
    ResponseCode.RULES_INVALID: (
        _FINAL,
        "The set as a whole is not valid; `detail` is the first rule at fault, 0 when the count is wrong.",
    ),
    ResponseCode.ORGANISATION_UNKNOWN: (_FINAL, "No node of the organisation has this number."),
    ResponseCode.DONE_BEFORE: (_FINAL, "The card is there already: a batch that is run again skips it."),
    ResponseCode.RANGE_CUT: (_FINAL, "The range was too much for one entry; operate on the rest with a new request."),
    ResponseCode.MEDIUM_EXISTS: (_FINAL, "The medium is enrolled already, for another card, or was revoked."),
    ResponseCode.KEY_UNKNOWN: (_FINAL, "No such version of the key is known."),
    ResponseCode.KEY_STATE: (_FINAL, "The key's state does not allow it; `detail` is the state."),
    ResponseCode.KEY_IN_USE: (_FINAL, "Records are still wrapped under the storage key: wrap them anew first."),
    ResponseCode.ALARM_UNKNOWN: (_FINAL, "No alarm was raised by this entry."),
    ResponseCode.ALARM_STATE: (_FINAL, "The alarm's state does not allow it; `detail` is the state."),
    ResponseCode.TERMINAL_UNKNOWN: (_FINAL, "No terminal has this number."),
    ResponseCode.CHANGED_KEY: (_FINAL, "The terminal is not going over to another key."),
    ResponseCode.NOT_PERMITTED: (_ERROR, "The terminal lacks the right for this message."),
    ResponseCode.TRACE_REUSED: (
        _ERROR,
        "This terminal used the trace number on this business date for a request with other content.",
    ),
    ResponseCode.BUSINESS_DATE: (
        _ERROR,
        "The request's business date is neither the current nor the previous one; `business_date` says the current.",
    ),
    ResponseCode.POSITION_UNKNOWN: (
        _ERROR,
        "Another partition than this switch's, or a position beyond the durable end.",
    ),
    ResponseCode.BUSY: (
        _RETRY,
        "The switch cannot take the request at this moment: its queue is full, or the next piece of the journal is not "
        "ready. May turn into DISK_FULL.",
    ),
    ResponseCode.DISK_FULL: (_RETRY, "The journal has no room; balances are still served."),
    ResponseCode.WINDOW_FULL: (
        _RETRY,
        "No more answers can be kept for the request's business date; new requests are refused, reversals too.",
    ),
    ResponseCode.QUARANTINED: (
        _ERROR,
        "The terminal sent too many wrong proofs and is stopped; security staff must let it in again.",
    ),
    ResponseCode.KEY_MATERIAL: (
        _ERROR,
        "The switch cannot load the key, or its check value is another: look at its key store.",
    ),
    ResponseCode.TYPE_UNKNOWN: (_ERROR, "No message has this type."),
    ResponseCode.LENGTH: (_ERROR, "The body's length does not fit its type."),
    ResponseCode.RESERVED_NOT_ZERO: (_ERROR, "A field or flag reserved for later is not zero."),
    ResponseCode.VERSION: (_ERROR, "The switch does not speak this protocol version."),
    ResponseCode.SIGN_ON_REFUSED: (
        _ERROR,
        "Terminal unknown, blocked, or its key does not match. Which of them is not told to a stranger.",
    ),
}

PRECEDENCE: tuple[ResponseCode, ...] = (
    ResponseCode.VERSION,
    ResponseCode.TYPE_UNKNOWN,
    ResponseCode.LENGTH,
    ResponseCode.RESERVED_NOT_ZERO,
    ResponseCode.NOT_PERMITTED,
    ResponseCode.QUARANTINED,
    ResponseCode.BUSINESS_DATE,
    ResponseCode.TRACE_REUSED,
    ResponseCode.WINDOW_FULL,
    ResponseCode.DISK_FULL,
    ResponseCode.BUSY,
    ResponseCode.REVERSED_BEFORE,
    ResponseCode.AMOUNT,
    ResponseCode.CARD_UNKNOWN,
    ResponseCode.PRICE_UNKNOWN,
    ResponseCode.PRICE_CHANGED,
    ResponseCode.CARD_STATUS,
    ResponseCode.EXPIRED,
    ResponseCode.BLACKLISTED,
    ResponseCode.FUNCTION_OFF,
    ResponseCode.STORE_FORBIDDEN,
    ResponseCode.MEDIUM_REQUIRED,
    ResponseCode.MEDIUM_FORBIDDEN,
    ResponseCode.MEDIUM_UNKNOWN,
    ResponseCode.MEDIUM_REVOKED,
    ResponseCode.KEY_VERSION,
    ResponseCode.CHALLENGE_STALE,
    ResponseCode.CODE_STALE,
    ResponseCode.PROOF_WRONG,
    ResponseCode.CLONE,
    ResponseCode.CODE_USED,
    ResponseCode.COUNTER_JUMP,
    ResponseCode.FALLBACK_FORBIDDEN,
    ResponseCode.MEDIUM_AMOUNT,
    ResponseCode.PIN_LOCKED,
    ResponseCode.PIN_REQUIRED,
    ResponseCode.PIN_WRONG,
    ResponseCode.REFER,
    ResponseCode.PRODUCT_FORBIDDEN,
    ResponseCode.TENDER_MISMATCH,
    ResponseCode.SINGLE_AMOUNT,
    ResponseCode.DAILY_COUNT,
    ResponseCode.DAILY_AMOUNT,
    ResponseCode.POINTS_CAP,
    ResponseCode.POINTS_FUNDS,
    ResponseCode.VISITS_FUNDS,
    ResponseCode.FUNDS,
)
"""Order of the checks of a debit."""


def code_class(code: int) -> CodeClass:
    """Class of a code; unknown codes (from a newer switch) count as final."""
    try:
        return MEANINGS[ResponseCode(code)][0]
    except ValueError:
        return CodeClass.FINAL
