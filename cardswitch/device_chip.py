"""`cardswitch device readers`: chip-card readers, and what is in them; commands about cards are in `device_card`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter

from terminals.chip.applet import CardFigures, CardState
from terminals.chip.card import read_card_number, read_figures, select_applet
from terminals.chip.errors import AppletMissingError, CardAnswerError, ChipError, NoCardError
from terminals.chip.pcsc import list_readers
from terminals.chip.reader import ChipReader

from .device import app
from .output import Output

PRINTING = Group("Output", sort_key=90)


@Parameter(name="*")
@dataclass(frozen=True)
class Printing:
    """Options of every command here."""

    json: Annotated[bool, Parameter(negative="", group=PRINTING)] = False
    """Print JSON for programs."""
    unmasked: Annotated[bool, Parameter(negative="", group=PRINTING)] = False
    """Print card numbers in full."""

    @property
    def output(self) -> Output:
        """Where results go."""
        return Output(as_json=self.json, unmasked=self.unmasked)


DEFAULT = Printing()


@app.command
def readers(*, printing: Printing = DEFAULT) -> int:
    """Show the chip-card readers, and what is in them: each card is asked for its state.

    For example:
        cardswitch device readers

    A card is only read; a reader whose card does not answer is named with the reason, and the command then fails.
    """
    names = list_readers()
    rows = [_look(name, printing.output) for name in names]
    printing.output.rows(rows, nothing="no reader; plug one in")
    return 1 if any(row["result"] not in ("ready", "no card") for row in rows) else 0


def _look(name: str, out: Output) -> dict[str, Any]:
    """One row about a reader, whatever is in it."""
    row: dict[str, Any] = {"reader": name, "atr": "", "uid": "", "state": "", "card": "", "counter": "", "result": ""}
    with ChipReader(name) as device:
        try:
            row["atr"] = device.wait_for_card(0).hex().upper()
            figures, card = read_card(device, out)
            row |= {"uid": figures.uid.hex().upper(), "state": figures.state.name, "card": card}
            row |= {"counter": figures.counter, "result": "ready"}
        except NoCardError:
            row["result"] = "no card"
        except (AppletMissingError, CardAnswerError):
            row["result"] = "no card of ours"
        except ChipError as error:
            row["result"] = str(error)
    return row


def read_card(device: ChipReader, out: Output) -> tuple[CardFigures, str]:
    """What a card of ours says of itself, and its number as it may be shown."""
    select_applet(device)
    figures = read_figures(device)
    return figures, "" if figures.state is CardState.BLANK else out.card(read_card_number(device))
