"""A card and a receipt for the tests of counter devices."""

import datetime
from typing import Any

from terminals.receipts import Receipt, ReceiptKind, ReceiptLine, Tender
from terminals.swipe import check_character

CARD = "6221260012345674"
TRACK_2 = ";6221260012345674=29122011081504230114?"
NEXT_TRACK_2 = ";6221260012345674=29122011081504376496?"
FRAME = "%B6221260012345674^CARDHOLDER/TEST           ^29122010000012345?" + TRACK_2 + check_character(TRACK_2)
DYNAMIC_CODE = "971123456789013319303218"
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))


def receipt(**changes):
    fields: dict[str, Any] = {
        "kind": ReceiptKind.SALE,
        "store": "宏大连锁超市 徐家汇店",
        "terminal": "0077",
        "cashier": "张三",
        "time": datetime.datetime(2026, 11, 22, 18, 5, tzinfo=SHANGHAI),
        "sequence": 123456,
        "code": "7K2M9QXA",
        "lines": (
            ReceiptLine("农夫山泉 550ml", 2000, 200, 400, 50),
            ReceiptLine("五常大米 5kg 特级（东北原产地直供，真空包装，适合全家）", 1000, 6990, 6990),
            ReceiptLine("Apple Fuji kg", 1253, 998, 1250),
        ),
        "total_minor": 8520,
        "tenders": (Tender("现金", 1520), Tender("储值卡", 7500, CARD)),
        "discounts": (("会员日", 60),),
        "round_off_minor": 10,
        "change_minor": 500,
        "card_number": CARD,
        "balance_minor": 123450,
        "points_earned_hundredths": 8500,
        "points_balance_hundredths": 1234500,
        "qr": "HTTPS://R.EXAMPLE/7K2M9QXA",
        "footer": "谢谢惠顾",
    }
    return Receipt(**(fields | changes))
