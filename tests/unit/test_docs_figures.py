"""What docs/decision.md, docs/protocol.md and docs/glossary.md state in figures and in words of code is so."""

import hashlib
import re

import pytest

from switch.protocol import limits
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    EVIDENCE_BYTES,
    LINE_COUNT_MAX,
    PIN_BYTES,
    TENDER_COUNT_MAX,
    AdjustPointsRequest,
    AllowedList,
    AutoRecharge,
    BackfillRequest,
    BillLine,
    CaptureRequest,
    CardOperation,
    CardStatus,
    CardTypeFlag,
    CutOverRequest,
    DayTotalsRequest,
    DebitFlag,
    DebitRequest,
    FeeTender,
    Function,
    HoldRequest,
    LineFlag,
    LoadVisitsRequest,
    Medium,
    OpenCardRequest,
    OperateCardRequest,
    OrganisationNode,
    PutCardTypeRequest,
    PutTerminalRequest,
    RechargeChannel,
    RedeemRequest,
    Relation,
    Reply,
    Right,
    RuleAction,
    RuleLayer,
    SetCardRequest,
    SetPinRequest,
    Tender,
)
from switch.protocol.records import RECORDS
from tests.support.pages import PAGES, ROOT, says, source, table_after

# --------------------------------------------------------------------------- words


def test_every_word_of_code_in_the_glossary_is_in_the_code():
    code = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for folder in ("switch", "terminals", "loadtests", "admin")
        for path in sorted((ROOT / folder).rglob("*.p[yx]*"))
        if path.suffix in (".py", ".pyx", ".pxd")
    )
    words = [word for cell in re.findall(r"\|([^|\n]*)\|$", PAGES["docs/glossary.md"], re.M) for word in ticks(cell)]

    assert len(words) > 100
    unknown = [word for word in words if "/" not in word and not all(part in code for part in word.split("."))]
    assert unknown == []


def ticks(text):
    """Words in backticks."""
    return re.findall(r"`([^`]+)`", text)


# --------------------------------------------------------------------------- what the decision says in figures


NAMES_OF_CODES = {code.name: code.value for code in ResponseCode}


def test_the_codes_that_the_decision_numbers_have_these_numbers():
    """`51 FUNDS`, `BLACKLISTED 34` in a table or a sentence; a name alone, or a number alone, is judged below."""
    page = PAGES["docs/decision.md"]

    numbered = re.findall(r"\b(\d{1,3}) ([A-Z][A-Z_]+)\b", page)
    known = [(int(number), name) for number, name in numbered if name in NAMES_OF_CODES]

    assert len(known) > 15
    assert [(number, name) for number, name in known if NAMES_OF_CODES[name] != number] == []


@pytest.mark.parametrize(
    "heading",
    [
        "## 4. May the card be used",
        "## 6. Debit",
        "## 7. Reversal",
        "## 8. Credit (recharge)",
        "## 10. Refund",
    ],
)
def test_every_code_in_a_table_of_the_decision_exists(heading):
    cells = [cell for row in table_after("docs/decision.md", heading) for cell in row[2:3]]

    numbers = {int(number) for cell in cells for number in re.findall(r"\b\d{2,3}\b", re.sub(r"row \d+", "", cell))}

    assert numbers <= {code.value for code in ResponseCode} | {0}


def test_the_bounds_that_the_decision_names_are_those_of_the_code():
    for sentence in (
        "|amount_minor of the request| ≤ 10^12",
        "nor above 10^15",
        "Points never go above 4·10^18",
        f"An account has at most {limits.PENDING_PER_ACCOUNT_MAX} pending records",
        f"at most {TENDER_COUNT_MAX} of them; kinds",
        "count 1 to 10^6 for VISITS",
        f"purse 0 to {limits.POINTS_CATEGORY_MAX} for POINTS, 1 to {limits.VISIT_SERVICE_MAX} for VISITS",
        f"0: {limits.HOLD_S_DEFAULT:,}; the request's 0 means the longest",
        f"{limits.HOLDS_PER_ACCOUNT_MAX} open holds: 81",
        f"at most {limits.SUCCESSOR_STEPS_MAX} steps",
        f"a gift: pieces 1 to {limits.GIFT_PIECES_MAX:,}",
        f"service 1 to {limits.VISIT_SERVICE_MAX} ",
        "count after ≤ 10^9",
        f"sale_date from today − {limits.BACKFILL_DAYS_MAX} to today",
        f"total_count ≤ {limits.DAY_TOTALS_MAX} ",
        f"part_count 1 to {limits.DAY_DIGEST_PARTS_MAX} ",
        f"A list returns at most {limits.DAY_LIST_ROWS_MAX:,} rows",
        f"more than {limits.RECORDS_LISTED_MAX:,} records",
        f"at most {limits.PURSES_SHOWN_MAX}",
        f"count 1 to {limits.RANGE_CARDS_MAX} (46)",
        f"more than {limits.RANGE_IMAGES_MAX} images",
        f"code 1 to {limits.CARD_TYPE_CODE_MAX};",
        f"hold_s_max ≤ {limits.HOLD_S_MAX:,};",
        f"points_percent ≤ {limits.POINTS_PERCENT_MAX};",
        f"points_per_unit 1 to {limits.POINTS_PER_UNIT_MAX};",
        f"booking_days ≤ {limits.BOOKING_DAYS_MAX};",
        f"rule 1 to {limits.RULE_NUMBER_MAX};",
        f"rate ≤ {limits.RATE_MAX};",
        f"category ≤ {limits.POINTS_CATEGORY_MAX};",
        f"at most {limits.RULES_PER_SELECTOR_MAX} rules of one set may share these",
        f"{limits.BUSY_RETRY_AFTER_MS} for BUSY, {limits.FULL_RETRY_AFTER_MS} for the other two",
        "price 0 to 2^32 − 1",
    ):
        assert says("docs/decision.md", sentence), sentence
    powers = {
        AMOUNT_MINOR_MAX: 10**12,
        limits.BALANCE_MINOR_MAX: 10**15,
        limits.BILL_POINTS_HUNDREDTHS_MAX: 10**15,
        limits.POINTS_HUNDREDTHS_MAX: 4 * 10**18,
        limits.VISITS_PER_LOAD_MAX: 10**6,
        limits.VISITS_MAX: 10**9,
        limits.POINTS_RATE_MAX: 10**6,
        limits.UNIT_PRICE_MINOR_MAX: 2**32 - 1,
        limits.CARD_NUMBER_MIN: 10**7,
        limits.CARD_NUMBER_MAX: 10**19 - 1,
    }
    assert {bound: stated for bound, stated in powers.items() if bound != stated} == {}


def test_the_offsets_that_the_decision_names_are_those_of_the_layouts():
    for request, field, offset in OFFSETS:
        assert says("docs/decision.md", str(offset)), offset
        assert {f.name: f.offset for f in layout_of(request).fields}[field] == offset, f"{request.__name__}.{field}"


OFFSETS = [
    (HoldRequest, "expires_in_s", 32),
    (CaptureRequest, "keep_rest", 40),
    (RedeemRequest, "points_hundredths", 24),
    (RedeemRequest, "pieces", 36),
    (RedeemRequest, "category", 38),
    (LoadVisitsRequest, "received_minor", 24),
    (LoadVisitsRequest, "service", 32),
    (LoadVisitsRequest, "count", 36),
    (AdjustPointsRequest, "points_hundredths", 24),
    (AdjustPointsRequest, "void_all", 34),
    (BackfillRequest, "sale_minute", 48),
    (BackfillRequest, "settlement", 50),
    (DayTotalsRequest, "closed_date", 16),
    (DayTotalsRequest, "total_count", 20),
    (OperateCardRequest, "card_number", 16),
    (OperateCardRequest, "related_number", 24),
    (OperateCardRequest, "amount_minor", 32),
    (OperateCardRequest, "operation", 40),
    (OperateCardRequest, "fee_tender", 41),
    (OperateCardRequest, "flags", 42),
    (OperateCardRequest, "count", 46),
    (OperateCardRequest, "operator_id", 48),
    (OperateCardRequest, "reason", 43),
    (OpenCardRequest, "card_number", 16),
    (OpenCardRequest, "status", 34),
    (SetPinRequest, "mode", 24),
    (SetPinRequest, "new_pin", 48),
    (SetCardRequest, "sets", 24),
    (CutOverRequest, "next_date", 16),
    (PutCardTypeRequest, "from_date", 24),
    (PutTerminalRequest, "key", 32),
]
"""Offsets in section 6 to 16 of docs/decision.md: where FIELD_INVALID points to."""


def test_the_ends_of_the_numbered_sets_are_those_that_the_decision_names():
    assert says("docs/decision.md", f"operation 1 to {max(CardOperation)} (40)")
    assert says("docs/decision.md", f"fee_tender ≤ {max(FeeTender)} (41)")
    assert says("docs/decision.md", f"channel 0 to {max(RechargeChannel)}")
    assert says("docs/decision.md", f"EXPIRED ({CardStatus.EXPIRED:d})")
    assert says("docs/decision.md", f"layer ≤ {max(RuleLayer)}; action ≤ {max(RuleAction)};")
    assert says("docs/decision.md", f"auto_mode ≤ {max(AutoRecharge)};")
    assert says("docs/decision.md", f"medium ≤ {max(Medium)}; relation ≤ {max(Relation)};")
    assert says("docs/decision.md", f"node 1 to {max(OrganisationNode)};")
    assert says("docs/decision.md", f"list 1 to {max(AllowedList)};")
    assert says("docs/decision.md", f"rights ≤ {sum(Right)};")
    assert says("docs/decision.md", f"functions 1 to {sum(Function)}, VOUCHER alone")
    assert says("docs/decision.md", f"flags ≤ {sum(CardTypeFlag)};")
    assert says(
        "docs/decision.md", f"debit and quote `flags` above {sum(DebitFlag)}, bill line `flags` above {sum(LineFlag)}"
    )
    assert says("docs/decision.md", f"code 0, else {ResponseCode.TOTALS_DIFFER:d} TOTALS_DIFFER")


def test_figures_in_sentences_of_the_protocol_are_those_of_the_code():
    page = "docs/protocol.md"
    fixed, line, tender = DebitRequest.width_bytes(), BillLine.width_bytes(), Tender.width_bytes()
    longest = 8 + fixed + LINE_COUNT_MAX * line + TENDER_COUNT_MAX * tender + PIN_BYTES + EVIDENCE_BYTES
    longest += limits.TAG_BYTES

    assert says(page, f"a body of exactly {Reply.width_bytes()} bytes that begins with `c8 00`")
    assert int(ResponseCode.NOT_PERMITTED) == 0xC8
    assert says(page, f"A `Reply` has a fixed part of {Reply.width_bytes()} bytes")
    assert says(
        page, f"a debit {fixed} + {line} · `line_count` + {tender} · `tender_count` bytes, and {PIN_BYTES} more"
    )
    assert says(page, f"`line_count` bill lines of {line} bytes, `tender_count` tenders of {tender} bytes")
    assert says(page, f"frames have room for {limits.FRAME_BYTES_MAX - longest} more")
    assert says(page, f"The switch accepts at most {limits.FRAME_BYTES_MAX:,} ")
    assert says(page, f"(`{hashlib.sha256().hexdigest()[:32]}`)")
    assert says(page, f"if they are not empty, at most {limits.PURSES_SHOWN_MAX}.")
    assert says(page, f"on a range of up to {limits.RANGE_CARDS_MAX}:")
    assert says(page, f"A kind with more than {limits.RECORDS_LISTED_MAX:,} records")
    assert says(
        page, f"It survives {limits.ERRORS_MAX} of them (`ERRORS_MAX`): the {limits.ERRORS_MAX + 1}th is still sent"
    )
    assert says(page, f"mode 0, rights {sum(Right)}.")
    assert {cls.width_bytes() for cls in RECORDS.values()} == {64, 128, 256}
    assert says(page, "**Records** have 64, 128 or 256 bytes")


def test_the_right_of_every_part_of_the_protocol_that_names_one():
    assert says(
        "docs/protocol.md", "makes terminal 1 with the rights CREDIT, CONFIGURE, FOLLOW, CARDS and SECURITY, not PAY"
    )
    assert "rights=Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY," in source(
        "switch/__main__.py"
    )
