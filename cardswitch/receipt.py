"""`cardswitch receipt`: proofs for people who trust nobody here and have only the notary's public key."""

from __future__ import annotations

import importlib.util
import json as json_text
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated

from cyclopts import App, Parameter

from .output import CommandError

VERIFIER = Path(__file__).resolve().parent.parent / "tools" / "verify_receipt.py"

app = App(
    name="receipt",
    help="""Prove receipts, and check proofs with the notary's public key.

For example:
    cardswitch receipt prove 4711 --data build/mine --out proof.json""",
    help_format="plaintext",
)

DataOption = Annotated[Path, Parameter(name="--data", help="Data directory of the switch.")]


def _put(content: dict[str, object], out: Path | None) -> None:
    text = json_text.dumps(content, indent=1) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)
        print(f"{out}: written")


@app.command
def prove(sequence: int, *, data: DataOption, code: str | None = None, out: Path | None = None) -> int:
    """Print the proof that an entry is in the journal and signed, as JSON; the switch may be running.

    The proof holds the entry whole, with the card's number and what its account looks like afterwards: give it only to
    those who may see that.

    For example:
        cardswitch receipt prove 4711 --data build/mine --code 7ZK4-M0RT --out proof.json

    Next: `cardswitch receipt check proof.json --public-key notary.pem`, or
    tools/verify_receipt.py on a machine of the auditor's.

    Parameters
    ----------
    sequence
        Journal sequence, as it stands on the receipt.
    code
        Receipt code, as it stands on the receipt: refuse when the entry has another.
    out
        File to write instead of printing.
    """
    from switch._proof import prove as prove_entry

    _put(prove_entry(data, sequence, code), out)
    return 0


@app.command
def head(*, data: DataOption, out: Path | None = None) -> int:
    """Print the newest signed head as JSON: whoever keeps it can tell later if history was rewritten or cut.

    For example:
        cardswitch receipt head --data build/mine --out head.json

    Next: give it to the auditor, who checks with tools/verify_receipt.py
    --journal DIR --public-key notary.pem --known-head head.json.

    Parameters
    ----------
    out
        File to write instead of printing.
    """
    from switch._proof import show_head

    _put(show_head(data), out)
    return 0


@app.command
def check(proof: Path, *, public_key: list[Path], code: str | None = None) -> int:
    """Check a proof with the notary's public key; exit status 1 names what is wrong.

    For example:
        cardswitch receipt check proof.json --public-key notary.pem --code 7ZK4-M0RT

    Parameters
    ----------
    proof
        File that `cardswitch receipt prove` has written.
    public_key
        Notary's public key (PEM, or 64 hexadecimal digits); more than once after a change of keys.
    code
        Receipt code as it stands on paper.
    """
    arguments = [str(proof), *(word for path in public_key for word in ("--public-key", str(path)))]
    status: int = verifier().main([*arguments, *([] if code is None else ["--code", code])])
    return status


@cache
def verifier() -> ModuleType:
    """The stand-alone verifier, which no package has: outsiders take it as a file."""
    spec = importlib.util.spec_from_file_location("verify_receipt", VERIFIER)
    if spec is None or spec.loader is None or not VERIFIER.exists():
        raise CommandError(f"{VERIFIER}: expected the verifier there; take it from the project's source")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module
