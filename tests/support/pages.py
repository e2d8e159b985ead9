"""The pages of the documents, and how tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "loadtests" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}


def found(pattern, text):
    """The first group of the first match; a page without one has lost a sentence that a test is about."""
    match = re.search(pattern, text)
    assert match, pattern
    return match[1]


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


def says(page, *numbers):
    """Whether a page has a sentence; line breaks do not count."""
    return " ".join(numbers) in " ".join(PAGES[page].split())
