"""`cardswitch keys rotate`: one command for every rotation, which takes the next step, whichever that is."""

from __future__ import annotations

from hsm.key_states import Purpose

from .desk import DEFAULT, Desk, Switch, at_desk
from .key_background import (
    RECORDS_PER_SECOND,
    active_terminals,
    renew_terminals,
    renewing,
    rewrap_records,
    version_to_reach,
)
from .key_officers import HOUSE, House
from .key_plan import KEYRING_ONLY, NAMES, REWRAPPED, Act, Step, next_step, read_purpose
from .key_progress import Records
from .key_resident import KEYRING_PER_SECOND, USES, Residents, kek_counts
from .key_steps import KeySteps
from .keys import app, hint, retire_checked, told, what_next
from .output import CommandError


@app.command
def rotate(
    what: str,
    /,
    *,
    to: int | None = None,
    per_second: float | None = None,
    only: list[int] | None = None,
    house: House = HOUSE,
    switch: Switch = DEFAULT,
) -> int:
    """Take the next step of a rotation, whichever that is, and say what comes after it.

    For example:
        cardswitch keys rotate chip --to 2 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Nothing is remembered but in the keyring and the switch: the command may be
    killed at any moment and is simply given again. With --to it has an end and
    can be repeated by a program; without, it begins the next version when the
    one before is done.

    Parameters
    ----------
    what
        storage, pin, receipt, chip, code, jitter, stripe or tag; kek, log, sign or terminals.
    to
        Version to arrive at.
    per_second
        Most records (storage, pin, terminals) or keys (kek) a second.
    only
        Terminals, by number; all without it.
    """
    if what in USES:
        return _rotate_resident(what, to, per_second or KEYRING_PER_SECOND, house, switch)
    if what == "terminals":
        return _rotate_terminals(to, per_second or RECORDS_PER_SECOND, only or [], house, switch)
    one = read_purpose(what)
    if one in KEYRING_ONLY:
        raise CommandError(f"{what}: expected a key of the switch, got one that is agreed with a partner: keys enter")

    async def work(desk: Desk) -> int:
        with house.open_to_change() as (keys, officers):
            steps = KeySteps(keys, desk, officers)
            progress = await Records(desk, house.directory).progress(one)
            step = next_step(one, await steps.versions(one), progress.resting(one), to)
            sentence = await _take(steps, one, step, desk, house, per_second or RECORDS_PER_SECOND)
            after = await what_next(steps, desk, house, one, to or _target_of(step))
        fields = {"step": step.act.value, "version": step.version, "done": sentence} | told(one, after)
        desk.out.say(f"{sentence}. {hint(one, after)}{_again(one, to or _target_of(step), after)}", **fields)
        return 0

    return at_desk(switch, work)


def _target_of(step: Step) -> int | None:
    return step.version if step.act in (Act.ADD, Act.ANNOUNCE, Act.ACTIVATE) else None


def _again(purpose: Purpose, target: int | None, after: Step) -> str:
    if (after.act in (Act.NONE, Act.WAIT, Act.RESTORE) and purpose not in REWRAPPED) or after.act is Act.NONE:
        return ""
    to = f" --to {target}" if target else ""
    return f"\n    cardswitch keys rotate {NAMES[purpose]}{to}"


async def _take(steps: KeySteps, one: Purpose, step: Step, desk: Desk, house: House, per_second: float) -> str:
    name = f"{NAMES[one]} {step.version}"
    if step.act is Act.RESTORE:
        raise CommandError(f"{name}: {step.why}")
    if step.act is Act.WAIT and one in REWRAPPED:
        active = next(v.number for v in await steps.versions(one) if v.agreed == "ACTIVE")
        return await rewrap_records(desk, house.directory, one, active, per_second)
    if step.act is Act.RETIRE:  # of what nothing rests on; half done in the keyring alone it may still stop media
        return await retire_checked(steps, one, step.version, desk, house, 0)
    if step.act in (Act.NONE, Act.WAIT):
        return f"{name}: nothing was done"
    await steps.take(step.act, one, step.version)
    words = {
        Act.ADD: "was drawn",
        Act.ANNOUNCE: "is loaded",
        Act.ACTIVATE: "is ACTIVE",
        Act.WITHDRAW: "is VERIFY_ONLY",
        Act.DESTROY: "is DESTROYED",
    }
    return f"{name} {words[step.act]}"


def _rotate_resident(what: str, to: int | None, per_second: float, house: House, switch: Switch) -> int:
    with house.open_to_change(writable=True) as (keys, officers):
        residents = Residents(keys, house.directory, officers)
        sentence, is_last = residents.rotate(USES[what], to, per_second)
        counts = {str(version): count for version, count in sorted(kek_counts(keys).items())}
        version = residents.in_use(USES[what])
    hint = "Done" if is_last else f"Next: cardswitch keys rotate {what}" + (f" --to {to}" if to else "")
    if what == "sign":
        hint += f"; cardswitch keys public --version {version} --pem, for whoever checks signatures"
    switch.output.say(f"{sentence}. {hint}", done=sentence, is_last=is_last, in_use=version, keys_by_kek_version=counts)
    return 0


def _rotate_terminals(to: int | None, per_second: float, only: list[int], house: House, switch: Switch) -> int:
    async def work(desk: Desk) -> int:
        terminals = await active_terminals(desk, house.directory, only)
        version = to or version_to_reach(terminals)
        asked_count = await renew_terminals(desk, terminals, version, per_second)
        after = await active_terminals(desk, house.directory, only)
        there = sum(terminal.key_version >= version for terminal in after)
        waiting = sum(renewing(terminal) for terminal in after)
        desk.out.say(
            f"{asked_count} terminals are asked now to renew their key; {there} of {len(after)} have version {version},"
            f" {waiting} still have to sign on. Next: "
            + ("nothing" if there == len(after) else f"cardswitch keys rotate terminals --to {version}"),
            to=version,
            asked=asked_count,
            there=there,
            waiting=waiting,
            terminals=len(after),
        )
        return 0

    return at_desk(switch, work)
