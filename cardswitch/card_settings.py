"""`cardswitch card pin`, `limits`, `level`, `segments`, `member`: what is set on one card or its account."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from switch.protocol.messages import SetCardRequest, SetPinRequest
from terminals.operator_fields import CardFields

from .card import app
from .desk import DEFAULT, Desk, Switch, at_desk
from .output import CommandError, insist
from .units import CardNumber, CountLimit, MoneyLimit

SETTINGS = Group("Settings of a card", sort_key=23)
PIN_DIGITS_MIN, PIN_DIGITS_MAX = 4, 12
SEGMENT_MAX = 63

pin_app = App(
    name="pin",
    help="""PIN of a card: set it by the holder, or reset it at the desk.

PINs are typed without echo, or read from a file or pipe (--pin-file); they are never arguments, which others can see.

For example:
    cardswitch card pin reset 6200000000000001 --operator 7""",
    help_format="plaintext",
    group=SETTINGS,
)
app.command(pin_app)

PinFile = Annotated[
    Path | None,
    Parameter(
        allow_leading_hyphen=True,
        help="Read PINs from this file, one a line (-: standard input), instead of asking at the terminal.",
    ),
]


def read_pins(prompts: list[str], pin_file: Path | None) -> list[bytes]:
    """PINs for the prompts, from a file, a pipe, or typed without echo; a new one that is typed is asked for twice."""
    if pin_file is not None:
        text = sys.stdin.read() if str(pin_file) == "-" else pin_file.read_text(encoding="ascii")
        lines = text.split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines
        if len(lines) != len(prompts):
            raise CommandError(f"--pin-file: expected {len(prompts)} lines ({', '.join(prompts)}), got {len(lines)}")
        return [_checked(line.rstrip("\r")) for line in lines]
    if not sys.stdin.isatty():
        raise CommandError(
            "PIN: expected a terminal to ask at, got none; name a --pin-file, or `--pin-file -` for a pipe"
        )
    pins = [_checked(getpass.getpass(f"{prompt}: ")) for prompt in prompts]
    if getpass.getpass(f"{prompts[-1]} again: ").encode() != pins[-1]:
        raise CommandError("PIN: expected the same PIN twice, got two different ones; nothing was sent")
    return pins


def _checked(pin: str) -> bytes:
    if not (pin.isascii() and pin.isdigit()) or not PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX:
        raise CommandError(f"PIN: expected {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits, got something else")
    return pin.encode()


@pin_app.command(name="set")
def set_pin(number: CardNumber, /, *, pin_file: PinFile = None, switch: Switch = DEFAULT) -> int:
    """Change a PIN by the holder, who knows the old one; a wrong old PIN counts as a try.

    For example:
        cardswitch card pin set 6200000000000001

    Next: the new PIN is asked for from the next debit on.

    Parameters
    ----------
    number
        Card number.
    """
    old_pin, new_pin = read_pins(["Old PIN", "New PIN"], pin_file)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.change_pin(number, old_pin, new_pin)
        insist(outcome, "PIN", SetPinRequest)
        desk.out.say(f"card {desk.out.card(number)}: PIN changed", card=desk.out.card(number), pin="changed")
        return 0

    return at_desk(switch, work)


@pin_app.command
def reset(number: CardNumber, /, *, take_away: bool = False, pin_file: PinFile = None, switch: Switch = DEFAULT) -> int:
    """Set a PIN at the desk after an identity check; opens a locked one. Needs --operator.

    For example:
        cardswitch card pin reset 6200000000000001 --operator 7

    Next: the holder may change it with `card pin set`.

    Parameters
    ----------
    number
        Card number.
    take_away
        Take the PIN away instead; then a type that asks for PINs refuses the card.
    """
    if not switch.operator:
        raise CommandError(
            "card pin reset: expected who does it, got nobody; add --operator or set CARDSWITCH_OPERATOR"
        )
    new_pin = b"" if take_away else read_pins(["New PIN"], pin_file)[0]

    async def work(desk: Desk) -> int:
        outcome = await desk.client.reset_pin(number, new_pin, desk.person("card pin reset"))
        insist(outcome, "PIN", SetPinRequest)
        done = "taken away" if take_away else "set"
        desk.out.say(f"card {desk.out.card(number)}: PIN {done}", card=desk.out.card(number), pin=done)
        return 0

    return at_desk(switch, work)


def _set(switch: Switch, number: int, what: str, fields: CardFields, *, sets_limits: bool = False) -> int:
    async def work(desk: Desk) -> int:
        outcome = await desk.client.set_card(number, sets_limits=sets_limits, **fields)
        insist(outcome, f"card {what}", SetCardRequest)
        desk.out.say(f"card {desk.out.card(number)}: {what} set", card=desk.out.card(number), set=what)
        return 0

    return at_desk(switch, work)


@app.command(group=SETTINGS)
def limits(
    number: CardNumber,
    /,
    *,
    single: MoneyLimit | None = None,
    daily: MoneyLimit | None = None,
    daily_count: CountLimit | None = None,
    recharge_day: MoneyLimit | None = None,
    recharge_count: CountLimit | None = None,
    ceiling: MoneyLimit | None = None,
    none: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Set limits of one card, beside those of its type; of two limits the tighter one counts.

    For example:
        cardswitch card limits 6200000000000001 --single 200.00 --daily 500.00 --daily-count 5

    All limits of the card are set together: those that are not named end. Next:
    they hold from the next request on.

    Parameters
    ----------
    number
        Card number.
    single
        Largest amount of one debit, such as 200.00, or unlimited.
    daily
        Sum of the card's debits per business date.
    daily_count
        Debits of the card per business date.
    recharge_day
        Sum of the card's recharges per business date.
    recharge_count
        Recharges of the card per business date.
    ceiling
        Highest balance that a recharge by this card may lead to.
    none
        End all limits of the card; its type's stay.
    """
    named = {
        "single_minor_max": single,
        "daily_minor_max": daily,
        "daily_count_max": daily_count,
        "recharge_day_minor_max": recharge_day,
        "recharge_count_max": recharge_count,
        "ceiling_minor": ceiling,
    }
    fields: CardFields = {name: value for name, value in named.items() if value is not None}  # type: ignore[assignment]
    if bool(fields) == none:
        raise CommandError("card limits: expected one or more limits, or --none to end them all")
    return _set(switch, number, "limits", fields, sets_limits=True)


@app.command(group=SETTINGS)
def level(number: CardNumber, level: int, /, *, switch: Switch = DEFAULT) -> int:
    """Set the level of a card's holder; 0 is the type's.

    For example:
        cardswitch card level 6200000000000001 3

    Next: rules for the level hold from the next bill on.

    Parameters
    ----------
    number
        Card number.
    level
        Level, 0 to 255; higher is better.
    """
    return _set(switch, number, "level", {"level": level})


@app.command(group=SETTINGS)
def member(number: CardNumber, member: int, /, *, switch: Switch = DEFAULT) -> int:
    """Name the member who holds a card's account; 0 makes it anonymous.

    For example:
        cardswitch card member 6200000000000001 4711

    Next: `card show` names the member; sales carry it.

    Parameters
    ----------
    number
        Card number.
    member
        Number of the member.
    """
    return _set(switch, number, "member", {"member": member})


@app.command(group=SETTINGS)
def segments(number: CardNumber, /, *segments: int, none: bool = False, switch: Switch = DEFAULT) -> int:
    """Set the segments (groups, campaigns) that a card's account is in; the others are left.

    For example:
        cardswitch card segments 6200000000000001 3 17

    Next: rules that ask for one of them count from the next bill on.

    Parameters
    ----------
    number
        Card number.
    segments
        Numbers of segments, 0 to 63.
    none
        Leave all segments.
    """
    if bool(segments) == none:
        raise CommandError("card segments: expected one or more segments, or --none to leave them all")
    if wrong := [segment for segment in segments if not 0 <= segment <= SEGMENT_MAX]:
        raise CommandError(f"card segments: expected numbers from 0 to {SEGMENT_MAX}, got {wrong}")
    return _set(switch, number, "segments", {"segments": sum(1 << segment for segment in {*segments})})
