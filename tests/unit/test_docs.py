"""What README.md and docs/ state about commands, files, settings, limits and bytes is so."""

import json
import re

import pytest

import switch._recover
from cardswitch.__main__ import add_branches
from switch import _checkpoints, _segments
from switch.__main__ import EXIT_OWN_FAULT
from switch._directory import SEGMENT_BYTES, Settings
from switch.group_commit import EXIT_NOT_DURABLE
from switch.protocol.limits import FULL_RETRY_AFTER_MS
from switch.protocol.messages import (
    BillLine,
    DebitRequest,
    LineResult,
    Reply,
)
from switch.protocol.records import AccountRecord, CardRecord, EntryHeader
from tests.support.pages import PAGES, ROOT, found, says, source, table_after

app = add_branches()
FOLDERS = ("switch", "cardswitch", "terminals", "loadtests", "tests", "admin", "hsm", "docs", "locks", "tools")
INDEX_SLOT_BYTES = 16


def parameters_of(command):
    """Options that a command takes, those that commands share included; nothing for a group of commands."""
    if not command.default_command:
        return set()
    names = {name for argument in command.assemble_argument_collection() for name in argument.names}
    return {name.removeprefix("--").removeprefix("no-").replace("-", "_") for name in names}


def code_of(page):
    """Every piece of code on a page: spans in backticks, lines of indented and of fenced blocks."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", PAGES[page], re.M | re.S)
    rest = re.sub(r"^```\w*\n.*?^```", "", PAGES[page], flags=re.M | re.S)
    indented = re.findall(r"^    (.*)", rest, re.M)
    return [*re.findall(r"`([^`\n]+)`", rest), *indented, *(line for block in fenced for line in block.splitlines())]


# --------------------------------------------------------------------------- commands


def commands(page):
    """(words of the command, option names) of every `cardswitch …` on a page."""
    for code in code_of(page):
        for _, words, options in re.findall(r"(^|[\s/])cardswitch((?: [a-z][a-z-]*(?![\w/.-]))+)([^#`]*)", code):
            yield words.split(), re.findall(r"--([a-z][a-z0-9-]*)", options)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists_with_its_options(page):
    for words, options in commands(page):
        command = app
        for word in words:
            if command.default_command:
                break  # what follows is an argument
            command = command[word]  # KeyError: no such command
        known = parameters_of(command)
        names = {option.removeprefix("no-").replace("-", "_") for option in options}
        assert names - {"help"} <= known, f"cardswitch {' '.join(words)}: {names - known}"


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z]+):", source("Makefile"), re.M))

    named = {name for code in code_of(page) for name in re.findall(r"^make ([a-z]+)", code)}

    assert named <= targets


def test_every_command_is_named_in_a_page():
    text = PAGES["README.md"] + PAGES["docs/testing.md"] + PAGES["docs/operating.md"]

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
