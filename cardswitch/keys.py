"""`cardswitch keys`: the life of the issuer's keys, step by step, by two people, without an outage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cyclopts import App

from hsm.key_states import Purpose
from switch.protocol.messages import MediumKind
from switch.protocol.records import CardRecord, MediumRecord

from .desk import DEFAULT, Desk, Switch, at_desk
from .key_house import KeyHouse
from .key_officers import HOUSE, House
from .key_plan import IN_USE, KEYRING_ONLY, NAMES, Act, Step, Version, half_done, next_step, read_purpose
from .key_progress import MEDIUM_OF, Progress, Records
from .key_resident import KEYRING_PER_SECOND, USES, Residents, resident_facts
from .key_steps import KeySteps, versions_of
from .output import CommandError, Output
from .units import format_moment

app = App(
    name="keys",
    help="""Keys of the issuer: rotate, retire and look after them, by two people, while the switch works.

For example:
    cardswitch keys show --data build/mine
    cardswitch keys rotate chip --data build/mine --officers "Li Wei:11,Chen Jie:12"

The same command again takes the next step; docs/security.md has the whole of it.""",
    help_format="plaintext",
)

LISTED_MAX = 50
"""Lines of what would stop, before a file is asked for."""


# --------------------------------------------------------------------------- looking


@app.command
def show(purpose: str = "", /, *, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Show every key on both sides, how far rotations are, and what was left half done.

    For example:
        cardswitch keys show chip --data build/mine

    Parameters
    ----------
    purpose
        Only this one: storage, pin, receipt, chip, code, jitter, stripe, tag or kbpk.
    """
    wanted = [read_purpose(purpose)] if purpose else list(Purpose)

    async def work(desk: Desk) -> int:
        with house.open() as keys:
            progress = await Records(desk, house.directory).progress(*wanted)
            rows: list[dict[str, Any]] = []
            undone: list[dict[str, Any]] = []
            for one in wanted:
                versions = await versions_of(keys.keyring, desk, one)
                rows += [_row(keys, one, version, progress) for version in versions]
                if (step := half_done(versions)) is not None:
                    undone.append(_undone(one, step))
            facts = _facts(keys, progress) | resident_facts(keys, house.directory)
        desk.out.facts(facts | {"keys": rows, "left half done": undone})
        return 0

    return at_desk(switch, work)


def _row(keys: KeyHouse, purpose: Purpose, version: Version, progress: Progress) -> dict[str, Any]:
    entries = [e for e in keys.keyring.entries if (e.purpose, e.version) == (purpose, version.number)]
    resting = progress.resting(purpose)
    return {
        "purpose": NAMES[purpose],
        "version": version.number,
        "keyring": version.ring.value if version.ring else "",
        "switch": "" if purpose in KEYRING_ONLY or version.switch is None else version.switch.value,
        "check_value": (version.ring_check or version.switch_check).hex().upper(),
        "kek": entries[0].kek_version if entries else "",
        "rest_on_it": "" if resting is None else resting.get(version.number, 0),
        "of": _what_rests(purpose),
        "partner": entries[0].partner if entries else "",
    }


def _what_rests(purpose: Purpose) -> str:
    if purpose is Purpose.STORAGE:
        return "terminals and stored keys"
    if purpose is Purpose.PIN:
        return "cards with a PIN"
    medium = MEDIUM_OF.get(purpose)
    return "" if medium is None else f"{MediumKind(medium).name.lower()} media"


def _undone(purpose: Purpose, step: Step) -> dict[str, Any]:
    return {
        "purpose": NAMES[purpose],
        "version": step.version,
        "why": step.why,
        "next": "" if step.act is Act.RESTORE else f"cardswitch keys {step.act.value} {NAMES[purpose]} {step.version}",
    }


def _facts(keys: KeyHouse, progress: Progress) -> dict[str, Any]:
    return {
        "counted at": progress.source,
        "keyring revision": keys.keyring.revision,
        "terminals by key version": {str(key): count for key, count in sorted(progress.terminal_keys.items())},
        "terminals asked to renew": progress.terminals_renewing,
        "terminals between two keys": progress.terminals_changing,
        "media with stored keys": progress.media_with_keys,
    }


# --------------------------------------------------------------------------- single steps


def _one_step(
    purpose: str,
    house: House,
    switch: Switch,
    done: Callable[[KeySteps, Purpose, Desk], Awaitable[str]],
) -> int:
    """Open both sides, take a step, say what comes next."""
    one = read_purpose(purpose)

    async def work(desk: Desk) -> int:
        with house.open_to_change() as (keys, officers):
            steps = KeySteps(keys, desk, officers)
            sentence = await done(steps, one, desk)
            step = await what_next(steps, desk, house, one)
        desk.out.say(f"{sentence}. {hint(one, step)}", done=sentence, **told(one, step))
        return 0

    return at_desk(switch, work)


def _at_residents(house: House, switch: Switch, act: Callable[[Residents], str]) -> int:
    """One act on a key of the keystore, which needs no switch."""
    with house.open_to_change(writable=True) as (keys, officers):
        sentence = act(Residents(keys, house.directory, officers))
    switch.output.say(f"{sentence}. Next: cardswitch keys show", done=sentence)
    return 0


async def what_next(steps: KeySteps, desk: Desk, house: House, purpose: Purpose, target: int | None = None) -> Step:
    """The step after this one, with a fresh look at both sides; never the beginning of another rotation."""
    versions = await steps.versions(purpose)
    if purpose in KEYRING_ONLY:
        return Step(Act.NONE, 0, "it is in the keyring alone")
    progress = await Records(desk, house.directory).progress(purpose)
    active = next((version.number for version in versions if version.agreed == "ACTIVE"), 0)
    is_settled = not any(version.number > active and version.ring in IN_USE for version in versions)
    in_work = target or (active or None if is_settled else None)
    return next_step(purpose, versions, progress.resting(purpose), in_work)


def hint(purpose: Purpose, step: Step) -> str:
    """What comes next, in words."""
    if step.act is Act.NONE:
        return f"Done: version {step.version} is the only one in use" if step.version else f"Done: {step.why}"
    if step.act in (Act.WAIT, Act.RESTORE):
        return f"Next: {NAMES[purpose]} {step.version}: {step.why}"
    return f"Next: {step.act.value} {NAMES[purpose]} {step.version}: {step.why}"


def told(purpose: Purpose, step: Step) -> dict[str, Any]:
    """What comes next, for programs."""
    return {"purpose": NAMES[purpose], "next": step.act.value, "next_version": step.version, "why": step.why}


@app.command
def announce(purpose: str, version: int, /, *, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Let the running switch load a key of the keyring; nothing is made with it yet.

    For example:
        cardswitch keys announce chip 2 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Next: `keys activate`.
    """

    async def done(steps: KeySteps, one: Purpose, desk: Desk) -> str:
        await steps.announce(one, version)
        return f"{NAMES[one]} {version} is loaded"

    return _one_step(purpose, house, switch, done)


@app.command
def activate(purpose: str, version: int, /, *, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Make new media and values with this version from now on; what the one before made goes on working.

    For example:
        cardswitch keys activate chip 2 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Next: `keys show` has the progress; `keys rollback` takes it back.
    """

    async def done(steps: KeySteps, one: Purpose, desk: Desk) -> str:
        await steps.activate(one, version)
        return f"{NAMES[one]} {version} is ACTIVE"

    return _one_step(purpose, house, switch, done)


@app.command
def rollback(purpose: str, version: int, /, *, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Go back to an older version that is still accepted; media that were seen on the newer one stay on it.

    For example:
        cardswitch keys rollback chip 1 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Next: `keys rotate chip --to 2` goes forward again, `keys retire chip 2` ends the newer one.

    Parameters
    ----------
    purpose
        As `keys rotate` has them, but terminals: these keep their old key until they have signed on with the new one.
    version
        The older version.
    """
    if purpose in USES:
        return _at_residents(house, switch, lambda x: x.roll_back(USES[purpose], version, KEYRING_PER_SECOND))

    async def done(steps: KeySteps, one: Purpose, desk: Desk) -> str:
        newer = [v.number for v in await steps.versions(one) if "ACTIVE" in (v.ring, v.switch)]
        if newer and max(newer) < version:
            raise CommandError(f"{NAMES[one]}: expected a version below {max(newer)}, got {version}; use keys rotate")
        await steps.activate(one, version)
        return f"{NAMES[one]} {version} is ACTIVE again"

    return _one_step(purpose, house, switch, done)


@app.command
def withdraw(purpose: str, version: int, /, *, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Make nothing new with a purpose for now; what was made goes on working.

    For example:
        cardswitch keys withdraw tag 1 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Next: `keys activate` goes on; `keys retire` ends it.
    """

    async def done(steps: KeySteps, one: Purpose, desk: Desk) -> str:
        await steps.withdraw(one, version)
        return f"{NAMES[one]} {version} is VERIFY_ONLY"

    return _one_step(purpose, house, switch, done)


@app.command
def retire(
    purpose: str,
    version: int,
    /,
    *,
    yes_stop: int | None = None,
    house: House = HOUSE,
    switch: Switch = DEFAULT,
) -> int:
    """Refuse what was made with a version from now on, for good. Without --yes-stop it lists what would stop.

    For example:
        cardswitch keys retire chip 1 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    A chip that was told to go over to a newer version and was not used since is
    listed too: nobody knows whether it heard.
    Next: `keys destroy`, when nobody will dispute anything of it.

    Parameters
    ----------
    yes_stop
        How many media (of pin: PINs) stop, as listed; another number is refused. Of log and sign nothing stops.
    """
    if purpose in USES:
        return _at_residents(house, switch, lambda x: x.retire(USES[purpose], version))

    async def done(steps: KeySteps, one: Purpose, desk: Desk) -> str:
        return await retire_checked(steps, one, version, desk, house, yes_stop)

    return _one_step(purpose, house, switch, done)


async def retire_checked(
    steps: KeySteps, one: Purpose, version: int, desk: Desk, house: House, yes_stop: int | None
) -> str:
    """Retire a version when as many media stop as was said; what was done, in words. `CommandError` with the list."""
    found = await steps.version(one, version)
    is_stopped = found.switch in ("RETIRED", "DESTROYED")
    stopping = [] if is_stopped else await Records(desk, house.directory).resting_on(one, version)
    what = "PINs" if one is Purpose.PIN else "media"
    if not is_stopped and yes_stop != len(stopping):
        if stopping:
            _list_stopping(desk.out, stopping)
        given = "nothing" if yes_stop is None else f"--yes-stop {yes_stop}"
        way = "let keys rotate pin seal them anew first" if one is Purpose.PIN else "replace them first"
        raise CommandError(
            f"{NAMES[one]} {version}: expected --yes-stop {len(stopping)}, as many {what} as would stop, got {given};"
            f" {way}, or say so"
        )
    await steps.retire(one, version)
    return f"{NAMES[one]} {version} is RETIRED" + (f"; {len(stopping)} {what} have stopped" if stopping else "")


def _list_stopping(out: Output, records: Sequence[MediumRecord | CardRecord]) -> None:
    rows: list[dict[str, Any]] = [
        {"card": out.card(record.card_number)}
        | (
            {
                "medium": MediumKind(record.medium).name.lower(),
                "held_version": record.key_version_held,
                "last_used": format_moment(record.last_ms) if record.last_ms else "",
            }
            if isinstance(record, MediumRecord)
            else {}
        )
        for record in (records if out.as_json else records[:LISTED_MAX])
    ]
    if out.as_json:
        out.line({"would_stop": rows})
        return
    out.rows(rows)
    if len(records) > LISTED_MAX:
        out.note(f"and {len(records) - LISTED_MAX:,} more; --json lists them all")


@app.command
def destroy(purpose: str, version: int, /, *, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Give up the key of a retired version; its number is never used again.

    For example:
        cardswitch keys destroy chip 1 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Backups still hold it until the KEK that it was wrapped under is destroyed
    too: `keys rotate kek`.
    """

    async def done(steps: KeySteps, one: Purpose, desk: Desk) -> str:
        await steps.destroy(one, version)
        return f"{NAMES[one]} {version} is DESTROYED"

    return _one_step(purpose, house, switch, done)
