"""One of everything in the north, made through the interface by its administrator."""

from __future__ import annotations

from base64 import b64encode

from switch.protocol.records import (
    AccountRecord,
    CardTypeRecord,
    GiftRecord,
    PriceRecord,
    RuleRecord,
    RulesetRecord,
)
from tests.support.admin_office import NORTH_CARD, NORTH_STORE, Office

MEMBER = 1
PHONE = "13812345678"
ACTIVE = {"field": "state", "operator": "is", "value": "active"}
DAYS = {"from_date": 20_454, "until_date": 20_460}


def fill(office: Office, owner: str = "boss") -> dict[str, int]:
    """Records of the switch, and what a user of the north (or of the whole group) makes; numbers by kind."""
    office.put(
        AccountRecord(account_number=NORTH_CARD, balance_minor=100_00, member=MEMBER),
        CardTypeRecord(code=1, key=1, from_date=20_000),
        GiftRecord(gift_id=1, name=b"=1+1".ljust(32, b"\0"), price_hundredths=0),
        PriceRecord(item=5, price_class=0, unit_price_minor=100),
        RulesetRecord(ruleset=1, state=1, from_date=20_000),
        RuleRecord(ruleset=1, rule=1, layer=1),
    )
    person = {"name": "=1+1", "organisation_id": NORTH_STORE, "mobile": PHONE, "member_number": MEMBER}
    wanted = (
        ("members", person),
        ("member-groups", {"name": "All", "condition": {"terms": [ACTIVE]}}),
        (f"members/{MEMBER}/contacts", {"kind": "talk", "channel": "store", "content": "=1+1", "is_open": True}),
        (f"members/{MEMBER}/churn", {"stage": "candidate"}),
        ("orders", {"buyer": "Example Ltd", "lines": "1 2 100"}),
        ("campaigns", {"name": "Spring", **DAYS}),
        ("reports/stores/submit", {"remark": "look"}),
        ("member-import", {"content": b64encode("姓名,手机\n李雷,13912345678\n,1".encode()).decode()}),
        ("member-levels", {"name": "Gold", "rank": 1, "spent_minor_min": 1}),
        (f"members/{MEMBER}/consumption", {"business_date": DAYS["from_date"], "product": "=1+1", "goods_minor": 1}),
        ("queries", {"name": "All", "query": {"subject": "members", "columns": ["member_name"]}}),
        ("report-timers", {"name": "Each day", "report": "stores", "period": "day"}),
    )
    made = {}
    with office.program(office.token(owner)) as program:
        for address, body in wanted:
            answer = program.post(f"/api/v1/{address}", json=body)
            assert answer.status_code in (200, 201), (address, answer.text)
            made[address.rpartition("/")[2]] = int(answer.json()["id"])
    return made
