"""Operator messages: docs/decision.md, section 7."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    ChangeCardStatusRequest,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
)

from .state import Account, Card, CardType, Decision, Store, Tables, Terminal
from .wire import offset_of

CARD_TYPES_MAX = 1023
CARD_NUMBER_MIN, CARD_NUMBER_MAX = 10**7, 10**19 - 1
STATUSES = (1, 2)


def _first_invalid(form: Packed, checks: dict[str, bool]) -> Decision | None:
    """FIELD_INVALID for the first field, in the order given, whose check does not hold."""
    for name, holds in checks.items():
        if not holds:
            return Decision(ResponseCode.FIELD_INVALID, detail=offset_of(type(form), name))
    return None


def decide_put_card_type(tables: Tables, form: PutCardTypeRequest) -> Decision:
    """Create or change a card type."""
    invalid = _first_invalid(
        form,
        {
            "code": 1 <= form.code <= CARD_TYPES_MAX,
            "flags": form.flags <= 7,
            "single_minor_max": form.single_minor_max >= 0,
            "daily_minor_max": form.daily_minor_max >= 0,
            "daily_points_max_hundredths": form.daily_points_max_hundredths >= 0,
            "points_percent": form.points_percent <= 10000,
            "points_per_unit": 1 <= form.points_per_unit <= 100,
        },
    )
    if invalid:
        return invalid
    card_type = tables.card_types[form.code] = CardType(
        code=form.code,
        flags=form.flags,
        daily_count_max=form.daily_count_max,
        single_minor_max=form.single_minor_max,
        daily_minor_max=form.daily_minor_max,
        daily_points_max_hundredths=form.daily_points_max_hundredths,
        points_percent=form.points_percent,
        points_per_unit=form.points_per_unit,
    )
    return Decision(ResponseCode.APPROVED, changed=(card_type,))


def decide_put_store(tables: Tables, form: PutStoreRequest) -> Decision:
    """Create or change a store."""
    invalid = _first_invalid(form, {"store_id": form.store_id > 0})
    if invalid:
        return invalid
    if form.store_id not in tables.stores and len(tables.stores) >= tables.stores_max:
        return Decision(ResponseCode.TABLE_FULL)
    store = tables.stores[form.store_id] = Store(form.store_id, form.organisation_id)
    return Decision(ResponseCode.APPROVED, changed=(store,))


def decide_put_terminal(tables: Tables, form: PutTerminalRequest) -> Decision:
    """Create or change a terminal; the key arrives wrapped."""
    invalid = _first_invalid(
        form,
        {"terminal_id": form.terminal_id > 0, "rights": form.rights <= 15, "status": form.status in STATUSES},
    )
    if invalid:
        return invalid
    if form.store_id != 0 and form.store_id not in tables.stores:
        return Decision(ResponseCode.STORE_UNKNOWN)
    if form.terminal_id not in tables.terminals and len(tables.terminals) >= tables.terminals_max:
        return Decision(ResponseCode.TABLE_FULL)
    terminal = Terminal(form.terminal_id, form.store_id, form.rights, form.status, form.key)
    tables.terminals[form.terminal_id] = terminal
    return Decision(ResponseCode.APPROVED, changed=(terminal,))


def decide_open_card(tables: Tables, form: OpenCardRequest, today: int) -> Decision:
    """Make a card known, on a new account or on an existing one."""
    invalid = _first_invalid(
        form,
        {
            "card_number": CARD_NUMBER_MIN <= form.card_number <= CARD_NUMBER_MAX,
            "status": form.status in STATUSES,
        },
    )
    if invalid:
        return invalid
    if form.card_number in tables.cards:
        return Decision(ResponseCode.CARD_EXISTS)
    if form.card_type not in tables.card_types:
        return Decision(ResponseCode.CARD_TYPE_UNKNOWN)
    account_number = form.account_number or form.card_number
    account = tables.accounts.get(account_number)
    if account is None and account_number != form.card_number:
        return Decision(ResponseCode.ACCOUNT_UNKNOWN)
    accounts_are_full = len(tables.accounts) >= tables.accounts_max
    if len(tables.cards) >= tables.cards_max or (account is None and accounts_are_full):
        return Decision(ResponseCode.TABLE_FULL)

    card = tables.cards[form.card_number] = Card(form.card_number, account_number, form.card_type, form.status, today)
    if account is not None:
        return Decision(ResponseCode.APPROVED, account=account, changed=(card,))
    account = tables.accounts[account_number] = Account(account_number)
    return Decision(ResponseCode.APPROVED, account=account, changed=(account, card))


def decide_change_card_status(tables: Tables, form: ChangeCardStatusRequest) -> Decision:
    """Block or unblock a card."""
    invalid = _first_invalid(form, {"status": form.status in STATUSES})
    if invalid:
        return invalid
    card = tables.cards.get(form.card_number)
    if card is None:
        return Decision(ResponseCode.CARD_UNKNOWN)
    card.status = form.status
    return Decision(ResponseCode.APPROVED, account=tables.accounts[card.account_number], changed=(card,))
