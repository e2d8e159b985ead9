"""Requests of messages.json: at least one of every type, with every kind of row that may follow a fixed part."""

from itertools import count
from typing import Any

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    ActivateRulesRequest,
    AdjustPointsRequest,
    AlarmState,
    AllowedList,
    BackfillRequest,
    BalanceRequest,
    BillLine,
    CaptureRequest,
    CardOperation,
    CardQueryRequest,
    CardTypeFlag,
    ChangeKeyRequest,
    ConfirmWriteRequest,
    ConvertRequest,
    CreditRequest,
    CutOverRequest,
    DayDigestsRequest,
    DayListRequest,
    DayTotal,
    DayTotalsRequest,
    DebitFlag,
    DebitRequest,
    EchoRequest,
    Evidence,
    FeeKind,
    FeeTender,
    FollowRequest,
    Function,
    HandleAlarmRequest,
    HoldRequest,
    KeyPurpose,
    LoadVisitsRequest,
    MediumKind,
    MessageType,
    OpenCardRequest,
    OperateCardRequest,
    OrganisationNode,
    PinMode,
    PolicyFlag,
    PutAllowedRequest,
    PutCardTypeRequest,
    PutGiftRequest,
    PutKeyRequest,
    PutMediumPolicyRequest,
    PutMediumRequest,
    PutOrganisationRequest,
    PutPointsCategoryRequest,
    PutPriceRequest,
    PutRuleRequest,
    PutStoreRequest,
    PutTerminalRequest,
    PutTravelRequest,
    ReadRecordsRequest,
    RechargeChannel,
    RedeemRequest,
    RefundLine,
    RefundRequest,
    ReleaseRequest,
    ReversalRequest,
    RewrapKeyRequest,
    Right,
    RuleAction,
    RuleLayer,
    SetCardRequest,
    SetPinRequest,
    Settlement,
    SetTypeStateRequest,
    SignedOnRequest,
    SignOffRequest,
    StatisticsRequest,
    Tender,
    TenderKind,
    TransferPointsRequest,
    TransferRequest,
    TypeState,
)
from switch.protocol.records import RecordKind
from tests.vectors.example import CARD, CARD_TENDER, CASH, DATE, DEBIT, KEY, LINES, NOW_MS, OTHER_CARD, PIN, REFERENCE

_trace_numbers = count(2)

CHIP_EVIDENCE = Evidence(
    medium=MediumKind.CHIP,
    key_version=1,
    counter=41,
    medium_id=0x04A2B3C4D5E6F7,
    challenge=bytes.fromhex("1122334455667788"),
    chain=0x01020304,
    currency=978,
    proof=bytes.fromhex("8f7e6d5c4b3a2918") + bytes(8),
)
"""What a chip gave; its cryptogram is not a real one."""


def key() -> dict[str, Any]:
    """A key with the next trace number; the debit of the example has the first."""
    return KEY | {"trace_number": next(_trace_numbers)}


def text(value: str, width_bytes: int) -> bytes:
    """A name as it stands in a field."""
    return value.encode().ljust(width_bytes, b"\0")


REQUESTS: list[tuple[str, MessageType, Packed]] = [
    ("echo", MessageType.ECHO, EchoRequest(stamp_ms=NOW_MS)),
    ("debit with two lines", MessageType.DEBIT, DEBIT),
    ("debit without lines", MessageType.DEBIT, DebitRequest(**key(), card_number=CARD, amount_minor=1)),
    (
        "debit with two lines, three tenders and a PIN",
        MessageType.DEBIT,
        DebitRequest(
            **key(),
            card_number=CARD,
            amount_minor=1_100,
            line_count=2,
            tender_count=3,
            flags=DebitFlag.PIN,
            settlement=Settlement.MIXED,
            lines=LINES,
            tenders=(CARD_TENDER, CASH, Tender(kind=TenderKind.POINTS, purse=2, amount_minor=100)),
            pin=PIN,
        ),
    ),
    (
        "debit that the switch prices, in part if need be",
        MessageType.DEBIT,
        DebitRequest(
            **key(),
            card_number=CARD,
            amount_minor=0,
            line_count=1,
            flags=DebitFlag.PRICED | DebitFlag.PARTIAL,
            lines=(BillLine(item=4_006_381_333_931, amount_minor=0, quantity_milli=1_500),),
        ),
    ),
    (
        "reversal",
        MessageType.REVERSAL,
        ReversalRequest(
            **key(),
            card_number=CARD,
            amount_minor=1_100,
            original_trace_number=1,
            original_business_date=DATE,
            reason=1,
        ),
    ),
    ("balance", MessageType.BALANCE, BalanceRequest(stamp_ms=NOW_MS, card_number=CARD)),
    (
        "credit",
        MessageType.CREDIT,
        CreditRequest(
            **key(),
            card_number=CARD,
            amount_minor=50_000,
            channel=RechargeChannel.BANK_CARD,
            operator_id=77,
            received_minor=50_000,
            reference=REFERENCE,
        ),
    ),
    (
        "hold",
        MessageType.HOLD,
        HoldRequest(**key(), card_number=CARD, amount_minor=20_000, expires_in_s=3_600, pin=PIN),
    ),
    (
        "capture",
        MessageType.CAPTURE,
        CaptureRequest(**key(), card_number=CARD, amount_minor=15_000, hold_sequence=9, keep_rest=1),
    ),
    ("release", MessageType.RELEASE, ReleaseRequest(**key(), card_number=CARD, hold_sequence=9)),
    (
        "refund of the whole bill",
        MessageType.REFUND,
        RefundRequest(**key(), card_number=CARD, amount_minor=100, original_sequence=7),
    ),
    (
        "refund of two lines",
        MessageType.REFUND,
        RefundRequest(
            **key(),
            card_number=CARD,
            amount_minor=700,
            original_sequence=7,
            line_count=2,
            lines=(RefundLine(line=0, amount_minor=500), RefundLine(line=3, amount_minor=200)),
        ),
    ),
    (
        "quote",
        MessageType.QUOTE,
        DebitRequest(**KEY | {"trace_number": 0}, card_number=CARD, amount_minor=1_100, line_count=2, lines=LINES),
    ),
    ("card query", MessageType.CARD_QUERY, CardQueryRequest(stamp_ms=NOW_MS, card_number=CARD)),
    (
        "transfer",
        MessageType.TRANSFER,
        TransferRequest(**key(), card_number=CARD, amount_minor=5_000, to_card_number=OTHER_CARD),
    ),
    (
        "redeem points for two pieces of a gift",
        MessageType.REDEEM,
        RedeemRequest(**key(), card_number=CARD, points_hundredths=40_000, gift_id=5, pieces=2, category=0),
    ),
    ("convert points", MessageType.CONVERT, ConvertRequest(**key(), card_number=CARD, amount_minor=500, category=2)),
    (
        "adjust points",
        MessageType.ADJUST_POINTS,
        AdjustPointsRequest(
            **key(),
            card_number=CARD,
            points_hundredths=-2_500,
            category=0,
            reason=3,
            operator_id=77,
            if_sequence=12,
            reference=REFERENCE,
        ),
    ),
    (
        "transfer points",
        MessageType.TRANSFER_POINTS,
        TransferPointsRequest(**key(), card_number=CARD, points_hundredths=1_000, to_card_number=OTHER_CARD),
    ),
    (
        "day totals",
        MessageType.DAY_TOTALS,
        DayTotalsRequest(
            **key(),
            closed_date=DATE,
            total_count=2,
            totals=(
                DayTotal(type=MessageType.DEBIT, count=3, amount_minor=3_201),
                DayTotal(type=MessageType.REVERSAL, count=1, amount_minor=1_100),
            ),
        ),
    ),
    (
        "day digests",
        MessageType.DAY_DIGESTS,
        DayDigestsRequest(stamp_ms=NOW_MS, closed_date=DATE, first_trace=1, last_trace=4_000, part_count=2),
    ),
    (
        "day list",
        MessageType.DAY_LIST,
        DayListRequest(stamp_ms=NOW_MS, closed_date=DATE, first_trace=1, last_trace=2_000),
    ),
    (
        "backfill",
        MessageType.BACKFILL,
        BackfillRequest(
            **key(),
            card_number=CARD,
            amount_minor=1_100,
            receipt=20_260_101_000_017,
            store_id=12,
            sale_date=DATE - 3,
            sale_minute=17 * 60 + 30,
            settlement=Settlement.CASH,
            line_count=2,
            operator_id=77,
            lines=LINES,
        ),
    ),
    (
        "load visits",
        MessageType.LOAD_VISITS,
        LoadVisitsRequest(
            **key(), card_number=CARD, received_minor=9_900, service=4, count=10, expiry_date=DATE + 365, operator_id=77
        ),
    ),
    (
        "put card type",
        MessageType.PUT_CARD_TYPE,
        PutCardTypeRequest(
            **key(),
            code=1,
            functions=Function.IDENTIFY | Function.PAY | Function.POINTS,
            flags=CardTypeFlag.NET_LINES,
            daily_count_max=20,
            single_minor_max=100_000,
            daily_minor_max=500_000,
            points_percent=100,
            number_digits=16,
            number_prefix=6200,
            name=text("Stammkunde", 32),
        ),
    ),
    (
        "set type state",
        MessageType.SET_TYPE_STATE,
        SetTypeStateRequest(**key(), code=1, state=TypeState.SUSPENDED, operator_id=77),
    ),
    (
        "put store",
        MessageType.PUT_STORE,
        PutStoreRequest(**key(), store_id=12, organisation_id=3, round_off_minor=10),
    ),
    (
        "put terminal",
        MessageType.PUT_TERMINAL,
        PutTerminalRequest(**key(), terminal_id=1002, store_id=12, rights=Right.PAY, key=bytes(range(32)) + bytes(8)),
    ),
    (
        "put organisation",
        MessageType.PUT_ORGANISATION,
        PutOrganisationRequest(
            **key(), organisation_id=3, parent_id=1, node=OrganisationNode.REGION, name=text("Süd", 40)
        ),
    ),
    ("open card", MessageType.OPEN_CARD, OpenCardRequest(**key(), card_number=CARD, card_type=1)),
    (
        "make a range of three cards with check digits",
        MessageType.OPERATE_CARD,
        OperateCardRequest(
            **key(), card_number=6_200_000_000_000_013, operation=CardOperation.MAKE, flags=1, card_type=1, count=3
        ),
    ),
    (
        "issue a card with value, fee in cash",
        MessageType.OPERATE_CARD,
        OperateCardRequest(
            **key(),
            card_number=CARD,
            amount_minor=50_000,
            operation=CardOperation.ISSUE,
            fee_tender=FeeTender.CASH,
            operator_id=77,
            member=4_711,
            document=2_026_000_123,
        ),
    ),
    (
        "charge a card its annual fee, from the balance",
        MessageType.OPERATE_CARD,
        OperateCardRequest(
            **key(),
            card_number=CARD,
            operation=CardOperation.CHARGE_FEE,
            fee_tender=FeeTender.BALANCE,
            reason=FeeKind.ANNUAL,
            operator_id=77,
        ),
    ),
    (
        "set PIN",
        MessageType.SET_PIN,
        SetPinRequest(**key(), card_number=CARD, mode=PinMode.CHANGE, old_pin=PIN, new_pin=text("86420", 16)),
    ),
    (
        "set card",
        MessageType.SET_CARD,
        SetCardRequest(**key(), card_number=CARD, sets=3, level=2, daily_minor_max=30_000),
    ),
    (
        "put points category",
        MessageType.PUT_POINTS_CATEGORY,
        PutPointsCategoryRequest(
            **key(), category=2, tender_cap_bp=5_000, tender_rate=100, convert_rate=200, convert_lot_minor=500
        ),
    ),
    (
        "put gift",
        MessageType.PUT_GIFT,
        PutGiftRequest(**key(), gift_id=5, price_hundredths=20_000, stock=100, name=text("Tasse", 32)),
    ),
    (
        "put rule",
        MessageType.PUT_RULE,
        PutRuleRequest(
            **key(),
            ruleset=8,
            rule=1,
            layer=RuleLayer.POINTS_ITEM,
            action=RuleAction.MULTIPLY,
            weekdays=0x60,
            category=71,
            rate=200,
            points_category=2,
            booking_days=14,
        ),
    ),
    (
        "activate rules",
        MessageType.ACTIVATE_RULES,
        ActivateRulesRequest(**key(), ruleset=8, from_date=DATE + 1, rule_count=1, operator_id=77),
    ),
    (
        "put price",
        MessageType.PUT_PRICE,
        PutPriceRequest(**key(), item=4_006_381_333_931, unit_price_minor=625, from_date=DATE + 1),
    ),
    (
        "put allowed",
        MessageType.PUT_ALLOWED,
        PutAllowedRequest(**key(), code=1, list=AllowedList.OUTLETS, allowed=1, number=12),
    ),
    ("cut-over", MessageType.CUT_OVER, CutOverRequest(**key(), next_date=DATE + 1, operator_id=77)),
    (
        "hold with a chip's evidence",
        MessageType.HOLD,
        HoldRequest(**key(), card_number=CARD, amount_minor=5_000, evidence=CHIP_EVIDENCE),
    ),
    ("confirm write", MessageType.CONFIRM_WRITE, ConfirmWriteRequest(**key(), card_number=CARD, counter=1_235)),
    (
        "put medium",
        MessageType.PUT_MEDIUM,
        PutMediumRequest(
            **key(),
            card_number=CARD,
            medium_id=CHIP_EVIDENCE.medium_id,
            medium=MediumKind.CHIP,
            key_version_held=2,
            operator_id=77,
            counter=1,
            chain=0x01020304,
        ),
    ),
    (
        "put medium policy",
        MessageType.PUT_MEDIUM_POLICY,
        PutMediumPolicyRequest(
            **key(), code=1, flags=PolicyFlag.REQUIRED, operator_id=77, approver_id=78, stripe_minor_max=5_000
        ),
    ),
    (
        "put key",
        MessageType.PUT_KEY,
        PutKeyRequest(
            **key(),
            purpose=KeyPurpose.CHIP,
            key_version=2,
            check_value=bytes.fromhex("0a1b2c3d4e000000"),
            operator_id=77,
            approver_id=78,
        ),
    ),
    (
        "put travel",
        MessageType.PUT_TRAVEL,
        PutTravelRequest(**key(), store_id=12, other_store_id=13, minutes=45, operator_id=77),
    ),
    (
        "handle alarm",
        MessageType.HANDLE_ALARM,
        HandleAlarmRequest(**key(), alarm=20_455, state=AlarmState.CLEARED, operator_id=77),
    ),
    (
        "rewrap key",
        MessageType.REWRAP_KEY,
        RewrapKeyRequest(**key(), kind=RecordKind.TERMINAL, storage_version=2, key_a=1_002),
    ),
    ("change key", MessageType.CHANGE_KEY, ChangeKeyRequest(**key(), key=bytes(range(32)) + bytes(8))),
    ("follow", MessageType.FOLLOW, FollowRequest(partition=0, bytes_max=65_000, position=0)),
    ("statistics", MessageType.STATISTICS, StatisticsRequest()),
    ("read records", MessageType.READ_RECORDS, ReadRecordsRequest(kind=RecordKind.STORE, count_max=2, key_a=1)),
    ("signed on", MessageType.SIGNED_ON, SignedOnRequest(after_session=7, count_max=2)),
    ("sign-off", MessageType.SIGN_OFF, SignOffRequest()),
]
