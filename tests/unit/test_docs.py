"""What README.md and docs/ state about commands, files, settings, limits and bytes is so."""

import inspect
import json
import re
from pathlib import Path

import pytest

import switch._recover
from cardswitch.__main__ import app
from switch import _checkpoints, _segments
from switch.__main__ import EXIT_OWN_FAULT
from switch._directory import SEGMENT_BYTES, Settings
from switch.group_commit import EXIT_NOT_DURABLE
from switch.protocol import limits
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.limits import FULL_RETRY_AFTER_MS
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
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
    LineResult,
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
)
from switch.protocol.records import AccountRecord, CardRecord, EntryHeader

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "loadtests" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
FOLDERS = ("switch", "cardswitch", "terminals", "loadtests", "tests", "admin", "hsm", "docs", "locks", "tools")
INDEX_SLOT_BYTES = 16


def found(pattern, text):
    """The first group of the first match; a page without one has lost a sentence that a test is about."""
    match = re.search(pattern, text)
    assert match, pattern
    return match[1]


def parameters_of(command):
    """What a command takes; nothing for a group of commands."""
    return inspect.signature(command.default_command).parameters if command.default_command else {}


def code_of(page):
    """Every piece of code on a page: spans in backticks, lines of indented and of fenced blocks."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", PAGES[page], re.M | re.S)
    rest = re.sub(r"^```\w*\n.*?^```", "", PAGES[page], flags=re.M | re.S)
    indented = re.findall(r"^    (.*)", rest, re.M)
    return [*re.findall(r"`([^`\n]+)`", rest), *indented, *(line for block in fenced for line in block.splitlines())]


def source(path):
    return (ROOT / path).read_text(encoding="utf-8")


def table_after(page, heading):
    """Rows of the first table behind a heading, as lists of cells without the backticks around them."""
    lines = PAGES[page].split(heading, 1)[1].lstrip().splitlines()
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[2:]


# --------------------------------------------------------------------------- commands


def commands(page):
    """(words of the command, option names) of every `cardswitch …` on a page."""
    for code in code_of(page):
        for _, words, options in re.findall(r"(^|[\s/])cardswitch((?: [a-z][a-z-]*)+)([^#`]*)", code):
            yield words.split(), re.findall(r"--([a-z-]+)", options)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists_with_its_options(page):
    for words, options in commands(page):
        command = app
        for word in words:
            command = command[word]  # KeyError: no such command
        known = parameters_of(command)
        names = {option.removeprefix("no-").replace("-", "_") for option in options}
        assert names <= known.keys(), f"cardswitch {' '.join(words)}: {names - known.keys()}"


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z]+):", source("Makefile"), re.M))

    named = {name for code in code_of(page) for name in re.findall(r"^make ([a-z]+)", code)}

    assert named <= targets


def test_every_command_is_named_in_the_readme_or_the_page_on_tests():
    text = PAGES["README.md"] + PAGES["docs/testing.md"]

    assert [name for name in app if not name.startswith("-") and f"cardswitch {name}" not in text] == []


# --------------------------------------------------------------------------- files, functions, links


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    pattern = re.compile(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w./*-]*)")

    missing = {
        name for code in code_of(page) for name in pattern.findall(code) if not list(ROOT.glob(name.rstrip("/")))
    }

    assert missing == set()


@pytest.mark.parametrize(
    ("page", "heading"),
    [("README.md", "## Ten files to read"), ("docs/architecture.md", "## 3. The road of one debit")],
)
def test_the_functions_to_open_are_in_their_files(page, heading):
    rows = table_after(page, heading)

    assert len(rows) >= 9
    for row in rows:
        texts = [source(name) for name in re.findall(r"`((?:\w+/)+\w+\.\w+)`", " ".join(row))]
        for name in re.findall(r"`([A-Z]\w+\.\w+|[a-z]\w+)`", row[-1]):
            owner, _, function = name.rpartition(".")
            assert any(
                re.search(rf"\b(def|cpdef|cdef)\b[^\n=]*\b{function}\(", text) and f"class {owner}" in text + "class "
                for text in texts
            ), f"{page}: {name} is not in {row[0]}"


def slug(heading):
    """Anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_inside_the_project_resolve(page):
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", PAGES[page], flags=re.M | re.S)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)", path.read_text(encoding="utf-8"), re.M)
            assert anchor in {slug(heading) for heading in headings}, target


def test_the_readme_leads_to_every_page():
    assert [page for page in PAGES if page != "README.md" and f"]({page})" not in PAGES["README.md"]] == []


# --------------------------------------------------------------------------- settings and limits


def test_every_setting_is_listed_with_its_default():
    rows = table_after("docs/architecture.md", "## 8. Configuration")

    listed = {row[0].strip("`"): int(row[1].replace(",", "")) for row in rows}

    assert listed == {name: getattr(Settings(), name) for name in Settings.__struct_fields__}


def test_init_has_options_for_the_settings_that_are_said_to_have_one():
    page = PAGES["docs/architecture.md"]
    parameters = parameters_of(app["init"])

    said = found(r"options for three of them\s*\(([^)]*)\)", page)

    assert {name.replace("-", "_") for name in re.findall(r"--([a-z-]+)", said)} == {
        name for name in Settings.__struct_fields__ if name in parameters
    }


def test_bounds_are_those_of_the_code():
    for name, path, value, _ in table_after("docs/architecture.md", "## 9. Bounds"):
        stated = re.search(rf"^\s*{name.strip('`')} = ([\d\s*<_]+?)\s*(#.*)?$", source(path.strip("`")), re.M)

        assert stated, f"{name} is not in {path}"
        assert eval(stated[1]) == int(value.replace(",", "")), name


def says(page, *numbers):
    """Whether a page has a sentence; line breaks do not count."""
    return " ".join(numbers) in " ".join(PAGES[page].split())


def test_figures_in_sentences_are_those_of_the_code():
    card, account = CardRecord.width_bytes(), AccountRecord.width_bytes()
    slot_min, slot_max = round(INDEX_SLOT_BYTES / 0.75), round(INDEX_SLOT_BYTES / 0.375)
    entry_bytes = (
        EntryHeader.width_bytes()
        + DebitRequest.width_bytes()
        + 3 * BillLine.width_bytes()
        + Reply.width_bytes()
        + 3 * LineResult.width_bytes()
        + AccountRecord.width_bytes()
    )
    spare_mib = _segments.SPARE_COUNT * SEGMENT_BYTES >> 20
    quiet_mib = _checkpoints.QUIET_BYTES_PER_S >> 20
    parts = found(r"PARTS = (\d+)", source("switch/_index.pyx"))

    assert says("docs/architecture.md", f"A debit with three lines is an entry of {entry_bytes} bytes.")
    assert says("docs/architecture.md", f"cut into {int(parts):,} parts")
    assert says(
        "docs/architecture.md",
        f"{card} for the card, {account} for the account, {slot_min} to {slot_max} in the index:"
        f" {card + account + slot_min} to {card + account + slot_max}",
    )
    assert says("docs/architecture.md", f"| {card + slot_min} to {card + slot_max} |")
    assert says("docs/architecture.md", f"less than {quiet_mib} MiB/s")
    assert says("docs/durability.md", f"less than {quiet_mib} MiB/s")
    assert says("docs/durability.md", f"two spare segments are kept behind the current one ({spare_mib} MiB")
    assert says("docs/durability.md", f"exit status {EXIT_NOT_DURABLE} ")
    assert says("docs/durability.md", f"exit status {EXIT_OWN_FAULT}:")
    assert says("docs/durability.md", f"retry after {FULL_RETRY_AFTER_MS:,} ms")


def test_the_cases_of_recovery_are_those_of_the_code():
    in_code = [line.strip("|").split("|")[0].strip() for line in switch._recover.__doc__.splitlines() if "|" in line]
    in_code = [case for case in in_code[2:] if case]

    assert [row[0] for row in table_after("docs/durability.md", "## 4. At the next start")] == in_code


# --------------------------------------------------------------------------- bytes


@pytest.mark.parametrize(("block", "name"), [(0, "debit with two lines"), (1, "reply to the debit")])
def test_the_debit_in_the_readme_is_the_published_vector(block, name):
    road = PAGES["README.md"].split("## Ten files")[0]
    blocks = [text for text in re.findall(r"^```text\n(.*?)^```", road, re.M | re.S) if text.startswith("01 ")]
    cases = json.loads(source("tests/vectors/messages.json"))["cases"]
    vector = next(case for case in cases if case["name"] == name)

    # Bytes stand at the start of a line, their meaning behind two spaces.
    shown = "".join(re.split(r"\s{2,}", line)[0].replace(" ", "") for line in blocks[block].splitlines())

    assert shown == vector["header"] + vector["body"]


# --------------------------------------------------------------------------- words


def test_every_word_of_code_in_the_glossary_is_in_the_code():
    code = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for folder in ("switch", "terminals", "loadtests")
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
