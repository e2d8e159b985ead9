"""An engine in this process with cards, categories and gifts, for tests of points and visits."""

from switch.protocol.messages import (
    AdjustPointsRequest,
    BackfillRequest,
    CardStatus,
    CardTypeFlag,
    ConvertRequest,
    Function,
    Header,
    LoadVisitsRequest,
    MessageType,
    PointsCategoryFlag,
    RedeemRequest,
    Reply,
    ReversalRequest,
    Right,
    TransferPointsRequest,
)
from switch.protocol.records import (
    AccountRecord,
    CardRecord,
    CardTypeRecord,
    GiftRecord,
    MarkRecord,
    PointsCategoryRecord,
    PurseRecord,
    RecordKind,
    StoreRecord,
)
from tests.support.engine import InProcessEngine

CARD, OTHER_CARD, SISTER, UNKNOWN = 9999_0100_0001_4533, 9999_0200_0002_3228, 9999_0300_0003_1111, 9999_0400_0004_2222
TYPE, ONE_TIME_TYPE, BARE_TYPE = 1, 2, 3
STORE, TERMINAL, GIFT, DEAR_GIFT, FREE_GIFT = 3, 7, 11, 12, 13
ENABLED, DISABLED, RATELESS, NONE = 3, 4, 5, 60
TODAY = 20_617
NOW_MS = TODAY * 86_400_000 + 12 * 3_600_000
POINTS_MAX = 4 * 10**18
PURSES_MAX, MARKS_MAX = 10_000, 100_000
"""Defaults of `Tables`."""
RIGHTS = int(Right.PAY | Right.CREDIT | Right.CARDS)
POINTS_KIND, VISITS_KIND = 1 << 32, 2 << 32


class Shop:
    """An engine whose tables were filled by hand."""

    def __init__(self, **bounds):
        self.engine = InProcessEngine(timezone="UTC", replay=True, **bounds)
        self._trace_number = 0
        functions = Function.PAY | Function.POINTS | Function.VISITS
        for code, flags, functions_on in (
            (TYPE, 0, functions),
            (ONE_TIME_TYPE, CardTypeFlag.ONE_TIME, functions),
            (BARE_TYPE, 0, Function.PAY),
        ):
            self.put(
                CardTypeRecord(
                    code=code,
                    key=code << 32,
                    flags=flags,
                    functions=functions_on,
                    points_percent=100,
                    ceiling_minor=100_000,
                    daily_points_max_hundredths=5_000,
                    level=2,
                )
            )
        self.put(StoreRecord(store_id=STORE))
        enabled = PointsCategoryFlag.ENABLED
        self.put(PointsCategoryRecord(category=ENABLED, flags=enabled, convert_rate=50, convert_lot_minor=10))
        self.put(PointsCategoryRecord(category=DISABLED, flags=0, convert_rate=50))
        self.put(PointsCategoryRecord(category=RATELESS, flags=enabled))
        self.put(
            GiftRecord(
                gift_id=GIFT, category=ENABLED, price_hundredths=300, level_min=2, account_max=3, stock=10, flags=1
            )
        )
        self.put(GiftRecord(gift_id=DEAR_GIFT, category=ENABLED, price_hundredths=10**15))
        self.put(GiftRecord(gift_id=FREE_GIFT, category=ENABLED, price_hundredths=300, flags=0, until_date=TODAY))
        self.open(CARD)
        self.open(OTHER_CARD)

    def put(self, record):
        self.engine.tables.load([record.encode()])

    def open(self, card_number, *, card_type=TYPE, account_number=0, status=CardStatus.ACTIVE, **card_fields):
        if not account_number:
            self.put(AccountRecord(account_number=card_number, balance_minor=1_000, points_hundredths=5_000))
        self.put(
            CardRecord(
                card_type=card_type,
                status=status,
                card_number=card_number,
                account_number=account_number or card_number,
                **card_fields,
            )
        )

    def points(self, category, amount, card_number=CARD):
        self.put(PurseRecord(account_number=card_number, purse=POINTS_KIND | category, amount=amount))

    def record(self, kind, key, form):
        found = self.engine.tables.get(kind, key)
        return form.decode(found) if found else None

    def account(self, number=CARD):
        return self.record(RecordKind.ACCOUNT, number, AccountRecord)

    def purse(self, category, number=CARD, kind=POINTS_KIND):
        found = self.record(RecordKind.PURSE, (number, kind | category, 0), PurseRecord)
        return found.amount if found else None

    def gift(self, gift_id=GIFT):
        return self.record(RecordKind.GIFT, gift_id, GiftRecord)

    def mark(self, a, b, kind, detail=0):
        return self.record(RecordKind.MARK, (a, b, kind << 56 | detail), MarkRecord)

    def ask(self, form, card_number=CARD, **fields):
        """The reply to a request of a form; `ask.trace_number` of the last one is in `self.trace_number`."""
        self._trace_number += 1
        self.trace_number = self._trace_number
        body = form(
            trace_number=self.trace_number, business_date=TODAY, stamp_ms=NOW_MS, card_number=card_number, **fields
        ).encode()
        message = Header(type=TYPES[form], sequence=1).encode() + body
        reply, _ = self.engine.decide(TERMINAL, RIGHTS, message, NOW_MS)
        return Reply.decode(reply[Header.width_bytes() :])

    def undo(self, amount_minor):
        """The reply to a reversal of the last request; `amount_minor` is the number at its offset 24."""
        return self.ask(
            ReversalRequest,
            amount_minor=amount_minor,
            original_trace_number=self.trace_number,
            original_business_date=TODAY,
        )


TYPES = {
    AdjustPointsRequest: MessageType.ADJUST_POINTS,
    BackfillRequest: MessageType.BACKFILL,
    ConvertRequest: MessageType.CONVERT,
    LoadVisitsRequest: MessageType.LOAD_VISITS,
    RedeemRequest: MessageType.REDEEM,
    ReversalRequest: MessageType.REVERSAL,
    TransferPointsRequest: MessageType.TRANSFER_POINTS,
}
