"""Words about cards and card types: where a card is in its life, what an operator does with it, what a type allows."""

from __future__ import annotations

import enum


class CardStatus(enum.IntEnum):
    """Where a card is in its life; `switch/protocol/lifecycle.py` says how it moves on."""

    ACTIVE = 1
    """May be used."""
    FROZEN = 2
    """Stopped by security staff or by the switch; the value is kept."""
    RESERVED = 3
    """A number that batch making skips."""
    MADE = 4
    """Made, in stock at headquarters."""
    DRAWN = 5
    """Made, in the custody of a store."""
    ISSUED = 6
    """Given out, not yet activated: worthless until then."""
    LOST = 7
    """Reported as lost; the status before is kept."""
    EXPIRED = 8
    """Past its last date of use."""
    BAD = 9
    """Unreadable; the status before is kept."""
    REPLACED = 10
    """Ended: another card goes on with its account."""
    RETURNED = 11
    """Ended: given back, its value paid out."""
    VOID = 12
    """Ended: without value."""
    CORRECTED = 13
    """Ended: its number was wrong; the corrected number goes on."""
    CLEARED = 14
    """Ended: the medium went back to blank stock."""
    RELEASED = 15
    """A reserved number that was put back; it may be made."""


class CardFlag(enum.IntFlag):
    """Facts beside a card's status."""

    BLACKLISTED = 1
    """On the blacklist: refused for everything but reversals and refunds."""
    FEE_DUE = 2
    """A fee could not be taken; the card goes on working. CHARGE_FEE takes it off."""
    PIN_LOCKED = 4
    """Too many wrong PINs; a reset opens it."""


class CardOperation(enum.IntEnum):
    """What an operator does with a card or a range of cards."""

    RESERVE = 1
    UNRESERVE = 2
    MAKE = 3
    DRAW = 4
    ISSUE = 5
    MAKE_AND_ISSUE = 6
    ACTIVATE = 7
    REPORT_LOSS = 8
    RESTORE = 9
    FREEZE = 10
    UNFREEZE = 11
    EXPIRE = 12
    RENEW = 13
    MARK_BAD = 14
    REPLACE = 15
    RETURN = 16
    VOID = 17
    CLEAR = 18
    CORRECT = 19
    BLACKLIST = 20
    UNBLACKLIST = 21
    CHARGE_FEE = 22
    """Charge the fee that the reason names; the status stays."""


class OperationFlag(enum.IntFlag):
    """Choices of one card operation."""

    CHECK_DIGIT = 1
    """The numbers of a range count without their last digit, which is the Luhn digit of the rest."""
    FROM_RESERVED = 2
    """Make a reserved number; without it a reserved number is skipped."""
    JOINING = 4
    """The member's first card: the joining fee is due too."""
    WRITE_OFF = 8
    """Void: the value that is left is written off by the named document."""


class PinMode(enum.IntEnum):
    """How a PIN is set."""

    CHANGE = 1
    """By the holder, who knows the old one."""
    RESET = 2
    """By the desk, after an identity check; opens a locked PIN."""


class FeeKind(enum.IntEnum):
    """Place of a fee in a card type's table."""

    ISSUE = 0
    JOINING = 1
    REPLACE = 2
    REPORT_LOSS = 3
    RESTORE = 4
    RETURN = 5
    RENEW = 6
    ANNUAL = 7
    SUPPLEMENTARY_ANNUAL = 8
    SERVICE = 9
    SWAP = 10
    OTHER = 11


class FeeTender(enum.IntEnum):
    """How a fee is paid."""

    WAIVED = 0
    """Not at all; the type must allow it, unless the fee is 0."""
    CASH = 1
    """At the desk; the switch records it."""
    BALANCE = 2
    """From the account's value; the type must allow it."""


class CardTypeFlag(enum.IntFlag):
    """Choices of a card type."""

    ZERO_AMOUNT = 1
    """A debit that comes to nothing, or to less, is approved for 0 (it counts for the daily count)."""
    NET_LINES = 2
    """Points: lines below zero reduce the base; without it they count as zero."""
    ROUND_LINES = 4
    """Points: rounded down once per line; without it once per bill."""
    AFTER_DISCOUNT = 8
    """Points: the base of a line is its amount less the switch's discount; without it the amount."""
    STACK_MAX = 16
    """Points: of the layers' rates the highest counts, and 0 if any is 0; without it they are multiplied."""
    ROUND_DISCOUNT_LINES = 32
    """Discount: rounded down once per line; without it once per bill."""
    FINE_POINTS = 64
    """Points: rounded down to hundredths; without it to whole points."""
    NAMED = 128
    """A member must be named when the card is issued."""
    ONE_TIME = 256
    """The value it is issued with is all it ever has: no recharge, no conversion, no transfer in."""
    PIN_REQUIRED = 512
    """Debits and holds need the PIN."""
    ACTIVATION_REQUIRED = 1024
    """Issue leads to ISSUED; without it straight to ACTIVE."""
    NO_RESTORE = 2048
    """A lost card is neither restored nor replaced (nobody can prove whose an anonymous card is)."""
    STORES_LISTED = 4096
    """Only stores of the type's list accept it."""
    OUTLETS_LISTED = 8192
    """Only stores of the type's list recharge it."""
    OPERATORS_LISTED = 16384
    """Only operators of the type's list recharge it."""


class Function(enum.IntFlag):
    """What the cards of a type are for."""

    IDENTIFY = 1
    PAY = 2
    POINTS = 4
    DISCOUNT = 8
    VISITS = 16
    VOUCHER = 32
    """A recharge card: excludes all others, never spendable at a till."""


class Medium(enum.IntEnum):
    """What a card is made of; recorded only."""

    UNKNOWN = 0
    BAR_CODE = 1
    STRIPE = 2
    CONTACT_CHIP = 3
    CONTACTLESS_CHIP = 4
    ELECTRONIC = 5
    VISUAL = 6


class Relation(enum.IntEnum):
    """How cards of a type stand to their account."""

    PERSONAL = 0
    LINKED = 1
    GROUP = 2
    SUPPLEMENTARY = 3
    """Spends the main card's account within limits of its own."""


class TypeState(enum.IntEnum):
    """Where a card type is in its life; in use is every approved type of which a card was made."""

    DRAFT = 1
    SUBMITTED = 2
    APPROVED = 3
    SUSPENDED = 4
    """No new cards; those that exist go on."""
    RETIRED = 5
    """No live card is left."""


class AutoRecharge(enum.IntEnum):
    """When an account is recharged by itself."""

    NONE = 0
    THRESHOLD = 1
    """Before a debit or hold: once, when what is available is below a threshold."""
    SHORTFALL = 2
    """Before a debit or hold: as often as allowed, while less is available than asked for."""
    MONTHLY = 3
    """On the first of each month."""
