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
    AMOUNT = 13
    CARD_UNKNOWN = 14
    FUNDS = 51
    SINGLE_AMOUNT = 60
    DAILY_AMOUNT = 61
    CARD_BLOCKED = 62
    DAILY_COUNT = 65
    # Originals
    REVERSED_BEFORE = 100
    ORIGINAL_MISMATCH = 101
    ORIGINAL_NOT_REVERSIBLE = 102
    ORIGINAL_OUTSIDE_WINDOW = 103
    # Configuration
    FIELD_INVALID = 110
    CARD_EXISTS = 111
    CARD_TYPE_UNKNOWN = 112
    ACCOUNT_UNKNOWN = 113
    STORE_UNKNOWN = 114
    TABLE_FULL = 115
    # Not journaled: nothing was recorded under this trace number
    NOT_PERMITTED = 200
    TRACE_REUSED = 201
    BUSINESS_DATE = 202
    POSITION_UNKNOWN = 203
    BUSY = 210
    DISK_FULL = 211
    WINDOW_FULL = 212
    # Errors of form, answered by an error reply
    TYPE_UNKNOWN = 220
    LENGTH = 221
    RESERVED_NOT_ZERO = 222
    # Sign-on, answered in clear
    VERSION = 230
    SIGN_ON_REFUSED = 231


MEANINGS: dict[ResponseCode, tuple[CodeClass, str]] = {
    ResponseCode.APPROVED: (
        CodeClass.APPROVED,
        "Done, and durable. Of a reversal: its original has no effect any more, or will never have one.",
    ),
    ResponseCode.AMOUNT: (
        CodeClass.FINAL,
        "Amount is not above zero (zero passes where the card type allows it), or an amount, a bill or a balance would "
        "be too large.",
    ),
    ResponseCode.CARD_UNKNOWN: (CodeClass.FINAL, "No card has this number."),
    ResponseCode.FUNDS: (CodeClass.FINAL, "The balance is smaller than the amount."),
    ResponseCode.SINGLE_AMOUNT: (CodeClass.FINAL, "The amount is above the card type's maximum for one debit."),
    ResponseCode.DAILY_AMOUNT: (
        CodeClass.FINAL,
        "The account's approved debits of this business date (all its cards) would exceed the card type's limit.",
    ),
    ResponseCode.CARD_BLOCKED: (CodeClass.FINAL, "The card's status does not allow it."),
    ResponseCode.DAILY_COUNT: (
        CodeClass.FINAL,
        "The account's approved debits of this business date (all its cards) are as many as the card type allows.",
    ),
    ResponseCode.REVERSED_BEFORE: (
        CodeClass.FINAL,
        "A reversal named this trace number before it was used; the request, whatever it is, is not applied.",
    ),
    ResponseCode.ORIGINAL_MISMATCH: (
        CodeClass.FINAL,
        "The reversal's card or amount differs from its original's, or it names itself.",
    ),
    ResponseCode.ORIGINAL_NOT_REVERSIBLE: (CodeClass.FINAL, "The original is not a debit."),
    ResponseCode.ORIGINAL_OUTSIDE_WINDOW: (
        CodeClass.FINAL,
        "The original's business date is neither the current nor the previous one.",
    ),
    ResponseCode.FIELD_INVALID: (
        CodeClass.FINAL,
        "A field's value is not allowed; `detail` is its offset in the body.",
    ),
    ResponseCode.CARD_EXISTS: (CodeClass.FINAL, "A card with this number exists already."),
    ResponseCode.CARD_TYPE_UNKNOWN: (CodeClass.FINAL, "No card type has this code."),
    ResponseCode.ACCOUNT_UNKNOWN: (
        CodeClass.FINAL,
        "No account has this number. An account is named by its first card; a further card's number is no account's.",
    ),
    ResponseCode.STORE_UNKNOWN: (CodeClass.FINAL, "No store has this number."),
    ResponseCode.TABLE_FULL: (CodeClass.FINAL, "A table has reached its maximum, a setting of the switch."),
    ResponseCode.NOT_PERMITTED: (CodeClass.ERROR, "The terminal lacks the right for this message."),
    ResponseCode.TRACE_REUSED: (
        CodeClass.ERROR,
        "This terminal used the trace number on this business date for a request with other content.",
    ),
    ResponseCode.BUSINESS_DATE: (
        CodeClass.ERROR,
        "The request's business date is neither the current nor the previous one; `business_date` says the current.",
    ),
    ResponseCode.POSITION_UNKNOWN: (
        CodeClass.ERROR,
        "Another partition than this switch's, or a position beyond the durable end.",
    ),
    ResponseCode.BUSY: (
        CodeClass.RETRY,
        "The switch cannot take the request at this moment: its queue is full, or the next piece of the journal is not "
        "ready. May turn into DISK_FULL.",
    ),
    ResponseCode.DISK_FULL: (CodeClass.RETRY, "The journal has no room; balances are still served."),
    ResponseCode.WINDOW_FULL: (
        CodeClass.RETRY,
        "No more answers can be kept for the request's business date; new requests are refused, reversals too.",
    ),
    ResponseCode.TYPE_UNKNOWN: (CodeClass.ERROR, "No message has this type."),
    ResponseCode.LENGTH: (CodeClass.ERROR, "The body's length does not fit its type."),
    ResponseCode.RESERVED_NOT_ZERO: (CodeClass.ERROR, "A field or flag reserved for later is not zero."),
    ResponseCode.VERSION: (CodeClass.ERROR, "The switch does not speak this protocol version."),
    ResponseCode.SIGN_ON_REFUSED: (
        CodeClass.ERROR,
        "Terminal unknown, blocked, or its key does not match. Which of them is not told to a stranger.",
    ),
}

PRECEDENCE: tuple[ResponseCode, ...] = (
    ResponseCode.VERSION,
    ResponseCode.TYPE_UNKNOWN,
    ResponseCode.LENGTH,
    ResponseCode.RESERVED_NOT_ZERO,
    ResponseCode.NOT_PERMITTED,
    ResponseCode.BUSINESS_DATE,
    ResponseCode.TRACE_REUSED,
    ResponseCode.WINDOW_FULL,
    ResponseCode.DISK_FULL,
    ResponseCode.BUSY,
    ResponseCode.REVERSED_BEFORE,
    ResponseCode.AMOUNT,
    ResponseCode.CARD_UNKNOWN,
    ResponseCode.CARD_BLOCKED,
    ResponseCode.SINGLE_AMOUNT,
    ResponseCode.DAILY_COUNT,
    ResponseCode.DAILY_AMOUNT,
    ResponseCode.FUNDS,
)
"""Order of the checks of a debit."""


def code_class(code: int) -> CodeClass:
    """Class of a code; unknown codes (from a newer switch) count as final."""
    try:
        return MEANINGS[ResponseCode(code)][0]
    except ValueError:
        return CodeClass.FINAL
