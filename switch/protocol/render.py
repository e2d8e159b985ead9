"""Everything that is derived from the declarations: C structs for the fast path, tables for the documents.

`python -m switch.protocol.render --write` rewrites `switch/_layout.pxd` and the
marked regions of `docs/protocol.md` and `docs/lifecycle.md`; `--check` says
what would change and exits with 1.  A test runs the check, so that neither can
drift from the modules of messages and records, from `codes.py`, `limits.py`,
`lifecycle.py`, `session.py` and the examples in `tests/vectors/`.

This is a tool for the source tree.  Nothing at run time imports it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .render_c import layout_pxd
from .render_document import ROOT as ROOT
from .render_document import document, lifecycle_regions

PXD = Path("switch/_layout.pxd")
DOCUMENT = Path("docs/protocol.md")
LIFECYCLE = Path("docs/lifecycle.md")


def generated_files() -> dict[Path, str]:
    """What every generated file should contain, by its path in the source tree."""
    return {
        PXD: layout_pxd(),
        DOCUMENT: document((ROOT / DOCUMENT).read_text(encoding="utf-8")),
        LIFECYCLE: document((ROOT / LIFECYCLE).read_text(encoding="utf-8"), lifecycle_regions()),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or check them."""
    parser = argparse.ArgumentParser(
        prog="python -m switch.protocol.render", description=(__doc__ or "").split("\n")[0]
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="rewrite what is generated")
    what.add_argument("--check", action="store_true", help="exit with 1 if something is not up to date")
    write = parser.parse_args(arguments).write

    stale = 0
    for path, wanted in generated_files().items():
        file = ROOT / path
        if file.exists() and file.read_text(encoding="utf-8") == wanted:
            continue
        if write:
            file.write_text(wanted, encoding="utf-8")
            print(f"{path}: written")
        else:
            stale = 1
            print(f"{path}: out of date; run `python -m switch.protocol.render --write`", file=sys.stderr)
    return stale


if __name__ == "__main__":
    sys.exit(main())
