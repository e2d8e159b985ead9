"""What an operator's workplace may ask: configuration, cards, and reading along.

The calls that change something have trace numbers like a debit and end the
same way; none of them can be reversed, so an unanswered one is sent again
until it is answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Unpack

from switch.protocol.layout import Packed
from switch.protocol.limits import FOLLOW_BYTES_MAX
from switch.protocol.messages import (
    PIN_BYTES,
    ActivateRulesRequest,
    CardOperation,
    CardStatus,
    CutOverRequest,
    FollowReply,
    FollowRequest,
    MessageType,
    OpenCardRequest,
    OperateCardRequest,
    PinMode,
    PutAllowedRequest,
    PutCardTypeRequest,
    PutGiftRequest,
    PutOrganisationRequest,
    PutPointsCategoryRequest,
    PutPriceRequest,
    PutRuleRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Right,
    SetCardRequest,
    SetPinRequest,
    SetTypeStateRequest,
    SignedOnReply,
    SignedOnRequest,
    SignedOnRow,
    TerminalStatus,
)

from .key_calls import KeyCalls
from .operator_fields import (
    CardFields,
    CardOperationFields,
    CardTypeFields,
    GiftFields,
    PointsCategoryFields,
    RuleFields,
)
from .outcome import Outcome
from .security_calls import SecurityCalls

Build = Callable[[int, int, int], Packed]
"""Makes a request from trace number, business date (days) and stamp (milliseconds)."""

WIRE_KEY_BYTES = 40
KEEPS_KEYS = b""
"""Instead of a key: the terminal keeps those that it has."""
SETS_LIMITS, SETS_LEVEL, SETS_MEMBER, SETS_SEGMENTS = 1, 2, 4, 8
"""Bits of `SetCardRequest.sets`."""
_SETS = {"level": SETS_LEVEL, "member": SETS_MEMBER, "segments": SETS_SEGMENTS}


class OperatorCalls(KeyCalls, SecurityCalls):
    """The operator's half of `Client`."""

    async def _keyed(self, type_: MessageType, build: Build) -> Outcome:
        raise NotImplementedError

    async def _ask(self, type_: MessageType, body: bytes) -> object:
        raise NotImplementedError

    async def _order(self, type_: MessageType, form: type[Packed], **fields: Any) -> Outcome:
        """A keyed request of a form; its key and stamp are filled in."""
        return await self._keyed(
            type_,
            lambda trace_number, business_date, stamp_ms: form(
                trace_number=trace_number, business_date=business_date, stamp_ms=stamp_ms, **fields
            ),
        )

    # ------------------------------------------------------------------- configuration

    async def put_card_type(self, code: int, **fields: Unpack[CardTypeFields]) -> Outcome:
        """Create a card type, or a version of it from a date on; amounts in minor units, points in hundredths."""
        return await self._order(MessageType.PUT_CARD_TYPE, PutCardTypeRequest, code=code, **fields)

    async def set_type_state(self, code: int, state: int, operator_id: int = 0) -> Outcome:
        """Move a card type on in its life; approval takes somebody else than its author."""
        return await self._order(
            MessageType.SET_TYPE_STATE, SetTypeStateRequest, code=code, state=state, operator_id=operator_id
        )

    async def put_organisation(self, organisation_id: int, node: int, *, parent_id: int = 0, name: str = "") -> Outcome:
        """Create or change a node of the organisation, below one that exists (0: at the top)."""
        return await self._order(
            MessageType.PUT_ORGANISATION,
            PutOrganisationRequest,
            organisation_id=organisation_id,
            node=node,
            parent_id=parent_id,
            name=name.encode(),
        )

    async def put_store(self, store_id: int, organisation_id: int = 0, *, round_off_minor: int = 0) -> Outcome:
        """Create or change a store; cash is rounded down to multiples of `round_off_minor` (0: exact)."""
        return await self._order(
            MessageType.PUT_STORE,
            PutStoreRequest,
            store_id=store_id,
            organisation_id=organisation_id,
            round_off_minor=round_off_minor,
        )

    async def put_terminal(
        self,
        terminal_id: int,
        key: bytes,
        *,
        store_id: int = 0,
        rights: int = Right.PAY,
        status: int = TerminalStatus.ACTIVE,
        flags: int = 0,
    ) -> Outcome:
        """Create or change a terminal with its 32-byte key, or KEEPS_KEYS; `store_id` 0 is an operator's workplace."""
        return await self._order(
            MessageType.PUT_TERMINAL,
            PutTerminalRequest,
            terminal_id=terminal_id,
            store_id=store_id,
            rights=rights,
            status=status,
            flags=flags,
            key=key.ljust(WIRE_KEY_BYTES, b"\0"),
        )

    async def put_points_category(self, category: int, **fields: Unpack[PointsCategoryFields]) -> Outcome:
        """Create or change a category of points; category 0 exists from the beginning."""
        return await self._order(MessageType.PUT_POINTS_CATEGORY, PutPointsCategoryRequest, category=category, **fields)

    async def put_gift(self, gift_id: int, price_hundredths: int, **fields: Unpack[GiftFields]) -> Outcome:
        """Create or change a gift and its price in points."""
        return await self._order(
            MessageType.PUT_GIFT, PutGiftRequest, gift_id=gift_id, price_hundredths=price_hundredths, **fields
        )

    async def put_rule(self, ruleset: int, rule: int, layer: int, action: int, **fields: Unpack[RuleFields]) -> Outcome:
        """Put a rule into a set that is not active; the same number again replaces it."""
        return await self._order(
            MessageType.PUT_RULE, PutRuleRequest, ruleset=ruleset, rule=rule, layer=layer, action=action, **fields
        )

    async def remove_rule(self, ruleset: int, rule: int) -> Outcome:
        """Take a rule out of a set that is not active."""
        return await self._order(
            MessageType.PUT_RULE, PutRuleRequest, ruleset=ruleset, rule=rule, layer=0, action=0, remove=1
        )

    async def activate_rules(self, ruleset: int, from_date: int, rule_count: int, operator_id: int = 0) -> Outcome:
        """Check a set as a whole and put it in force from a business date on; the count finds a lost rule."""
        return await self._order(
            MessageType.ACTIVATE_RULES,
            ActivateRulesRequest,
            ruleset=ruleset,
            from_date=from_date,
            rule_count=rule_count,
            operator_id=operator_id,
        )

    async def put_price(self, item: int, unit_price_minor: int, *, price_class: int = 0, from_date: int = 0) -> Outcome:
        """Set the price of one unit of an article, at once (0) or from a business date on."""
        return await self._order(
            MessageType.PUT_PRICE,
            PutPriceRequest,
            item=item,
            unit_price_minor=unit_price_minor,
            price_class=price_class,
            from_date=from_date,
        )

    async def put_allowed(self, code: int, allowed_list: int, number: int, *, allowed: bool = True) -> Outcome:
        """Put a store or an operator on a list of a card type, or take it off."""
        return await self._order(
            MessageType.PUT_ALLOWED,
            PutAllowedRequest,
            code=code,
            list=allowed_list,
            number=number,
            allowed=int(allowed),
        )

    async def cut_over(self, next_date: int, operator_id: int = 0) -> Outcome:
        """Begin the next business date before its time."""
        return await self._order(MessageType.CUT_OVER, CutOverRequest, next_date=next_date, operator_id=operator_id)

    # ------------------------------------------------------------------- the card desk

    async def open_card(
        self, card_number: int, card_type: int, *, account_number: int = 0, status: int = CardStatus.ACTIVE
    ) -> Outcome:
        """Make, issue and activate a card at once, with an account of its own (0) or on another card's."""
        return await self._order(
            MessageType.OPEN_CARD,
            OpenCardRequest,
            card_number=card_number,
            account_number=account_number,
            card_type=card_type,
            status=status,
        )

    async def operate_card(self, card_number: int, operation: int, **fields: Unpack[CardOperationFields]) -> Outcome:
        """One operation of the life cycle on a card or a range of cards; `reply.results` has one result per card."""
        return await self._order(
            MessageType.OPERATE_CARD, OperateCardRequest, card_number=card_number, operation=operation, **fields
        )

    async def freeze_card(self, card_number: int, operator_id: int, *, reason: int = 0) -> Outcome:
        """Stop a card; it holds from the next request on."""
        return await self.operate_card(card_number, CardOperation.FREEZE, operator_id=operator_id, reason=reason)

    async def unfreeze_card(self, card_number: int, operator_id: int, *, reason: int = 0) -> Outcome:
        """Let a stopped card be used again; takes somebody else than who has stopped it."""
        return await self.operate_card(card_number, CardOperation.UNFREEZE, operator_id=operator_id, reason=reason)

    async def set_card(self, card_number: int, *, sets_limits: bool = False, **fields: Unpack[CardFields]) -> Outcome:
        """Set level, member and segments of a card's account as far as they are named, and limits of the card.

        Limits are set together: those that are not named end.
        """
        sets = sum(bit for name, bit in _SETS.items() if name in fields)
        sets |= SETS_LIMITS if sets_limits or fields.keys() - _SETS.keys() else 0
        return await self._order(MessageType.SET_CARD, SetCardRequest, card_number=card_number, sets=sets, **fields)

    async def change_pin(self, card_number: int, old_pin: bytes, new_pin: bytes) -> Outcome:
        """Change a PIN by the holder, who knows the old one; 4 to 12 ASCII digits."""
        return await self._set_pin(card_number, PinMode.CHANGE, old_pin, new_pin, 0)

    async def reset_pin(self, card_number: int, new_pin: bytes, operator_id: int) -> Outcome:
        """Set a PIN by the desk and open a locked one; empty takes it away."""
        return await self._set_pin(card_number, PinMode.RESET, b"", new_pin, operator_id)

    async def _set_pin(
        self, card_number: int, mode: PinMode, old_pin: bytes, new_pin: bytes, operator_id: int
    ) -> Outcome:
        return await self._order(
            MessageType.SET_PIN,
            SetPinRequest,
            card_number=card_number,
            mode=mode,
            operator_id=operator_id,
            old_pin=old_pin.ljust(PIN_BYTES, b"\0"),
            new_pin=new_pin.ljust(PIN_BYTES, b"\0"),
        )

    # ------------------------------------------------------------------- reading along

    async def follow(self, position: int = 0, *, partition: int = 0, bytes_max: int = FOLLOW_BYTES_MAX) -> FollowReply:
        """Durable journal bytes from a position on; an empty reply means that there are no more yet."""
        request = FollowRequest(partition=partition, bytes_max=bytes_max, position=position)
        reply = await self._ask(MessageType.FOLLOW, request.encode())
        assert isinstance(reply, FollowReply)
        return reply

    async def read_journal(self, position: int = 0, *, partition: int = 0) -> AsyncIterator[FollowReply]:
        """Replies from a position up to what is durable now, one after the other."""
        while True:
            reply = await self.follow(position, partition=partition)
            if not reply.journal_bytes:
                return
            yield reply
            position = reply.next_position

    async def signed_on(self, *, terminal_id: int = 0) -> AsyncIterator[SignedOnRow]:
        """Who is signed on at this moment (one terminal, or all); needs the right to follow."""
        after = 0
        while True:
            request = SignedOnRequest(after_session=after, terminal_id=terminal_id)
            reply = await self._ask(MessageType.SIGNED_ON, request.encode())
            assert isinstance(reply, SignedOnReply)
            sessions = reply.sessions
            for session in sessions:
                yield session
            if reply.is_last or not sessions:
                return
            after = sessions[-1].session

    async def statistics(self) -> dict[str, int]:
        """The switch's counters by name."""
        reply = await self._ask(MessageType.STATISTICS, b"")
        assert isinstance(reply, dict)
        return reply
