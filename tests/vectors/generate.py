"""Writes the test vectors: `python -m tests.vectors.generate`.

Everything is fixed, so the files only change when the protocol does.  They are
meant for people who write a client in another language: every value that a
first attempt gets wrong (a hash too few, a counter in the wrong byte order)
can be looked up.  `tests/unit/protocol/test_vectors.py` checks that the files
are what this script writes, and that an independent Noise implementation
agrees with them.
"""

import json
from pathlib import Path

from tests.vectors.errors import errors_file
from tests.vectors.example import sign_on_file
from tests.vectors.journal import journal_file
from tests.vectors.messages import messages_file
from tests.vectors.rekey import rekey_file

HERE = Path(__file__).parent
MAKERS = {
    "sign_on": sign_on_file,
    "rekey": rekey_file,
    "messages": messages_file,
    "errors": errors_file,
    "journal": journal_file,
}
NAMES = tuple(MAKERS)


def generated_files() -> dict[str, str]:
    """Text of every file, by its name."""
    return {f"{name}.json": json.dumps(make(), indent=1) + "\n" for name, make in MAKERS.items()}


if __name__ == "__main__":
    for file_name, text in generated_files().items():
        (HERE / file_name).write_text(text, encoding="utf-8")
