"""`cardswitch keys add`, `enter`, `import`, `export`, `reseal`, `public`, `log`, `ceremony`: keys in people's hands."""

from __future__ import annotations

import base64
import getpass
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.backend import KeyUse
from hsm.components import Assembly
from hsm.key_log import LogLine
from hsm.key_states import KEY_BYTES, KeyAct, KeyEntry
from hsm.keyring_errors import ComponentCheckError, ComponentFormError, LogTornError
from hsm.software import LIVE_COST, TRAINING_COST, SoftwareBackend
from switch._directory import open_directory
from switch._key_chain import KeyChain

from .ceremony import CEREMONY
from .desk import DEFAULT, Switch
from .key_officers import HOUSE, House
from .key_plan import KEYRING_ONLY, NAMES, read_purpose
from .key_resident import in_use
from .key_steps import add_key, change_ring, kek_version, next_version
from .keys import app
from .output import CommandError
from .units import format_moment

TRIES = 3
"""Of a custodian who mistypes; then the ceremony begins anew."""
NEW_PASSPHRASE = "CARDSWITCH_NEW_PASSPHRASE"
BLOCK_BYTES_MAX = 4_096
"""A key block of 32 bytes takes 176 characters."""
FILE_MODE = 0o600


def _made(switch: Switch, entry: KeyEntry, how: str) -> int:
    name = NAMES[entry.purpose]
    check_value = entry.check_value.hex().upper()
    after = f"cardswitch keys activate {name} {entry.version}"
    if entry.purpose not in KEYRING_ONLY:
        after = f"cardswitch keys rotate {name} --to {entry.version}"
    switch.output.say(
        f"{name} {entry.version} was {how}, check value {check_value}. Next: {after}",
        purpose=name,
        version=entry.version,
        check_value=check_value,
        next=after,
    )
    return 0


@app.command
def add(
    purpose: str,
    /,
    *,
    partner: str = "",
    exportable: bool = False,
    house: House = HOUSE,
    switch: Switch = DEFAULT,
) -> int:
    """Draw the next version of a key where the KEK is: nobody ever sees it.

    For example:
        cardswitch keys add chip --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Next: `keys rotate`, which announces and activates it.

    Parameters
    ----------
    partner
        Whose transport key it is (kbpk).
    exportable
        It may leave in a key block: for a card supplier.
    """
    one = read_purpose(purpose)
    with house.open_to_change() as (keys, officers):
        number = next_version(keys.keyring, one)
        entry = add_key(keys, officers, one, number, partner, exportable=exportable)
    return _made(switch, entry, "drawn")


@app.command
def enter(
    purpose: str,
    /,
    *,
    custodians: str,
    check: str,
    partner: str = "",
    exportable: bool = False,
    house: House = HOUSE,
    switch: Switch = DEFAULT,
) -> int:
    """Enter the next version of a key from its components, each custodian alone at the keyboard.

    For example:
        cardswitch keys enter chip --custodians "Ma Li,Bo Wu" --check 1A2B3C4D5E

    Nothing that is typed is shown; each component is confirmed by its check
    value, and the whole key by --check. `keys ceremony` has the protocol.
    Next: `keys rotate`, which announces and activates it.

    Parameters
    ----------
    custodians
        Names, in the order in which they type, with commas between.
    check
        Check value of the whole key, 10 hexadecimal digits, from the forms.
    partner
        Whose transport key it is (kbpk).
    exportable
        It may leave in a key block.
    """
    one = read_purpose(purpose)
    names = [name.strip() for name in custodians.split(",")]
    with house.open_to_change() as (keys, officers):
        number = next_version(keys.keyring, one)
        with Assembly(keys.page, KEY_BYTES[one], len(names)) as assembly:
            for name in names:
                _enter_component(assembly, name, switch)
            with assembly.finish(check) as slot:
                kek = kek_version(keys)
                change_ring(
                    keys.keyring,
                    lambda: keys.keyring.add_slot(
                        one, number, kek, slot, officers.people, partner=partner, exportable=exportable
                    ),
                )
        entry = keys.keyring.entry(one, number)
    return _made(switch, entry, "combined")


def _enter_component(assembly: Assembly, custodian: str, switch: Switch) -> None:
    """One custodian's component; only what was mistyped may be typed again."""
    for left in range(TRIES - 1, -1, -1):
        text = getpass.getpass(f"{custodian}, alone: component, in one line (not shown): ")
        check = getpass.getpass(f"{custodian}: its check value (not shown): ")
        try:
            assembly.enter(custodian, text, check)
        except (ComponentFormError, ComponentCheckError) as error:
            if not left:
                raise
            switch.output.note(f"{error}")
            continue
        value = dict(assembly.entered)[" ".join(custodian.split())]
        switch.output.note(f"{custodian}: entered, check value {value.hex().upper()}. Clear the desk for the next")
        return


@app.command(name="import")
def import_key(purpose: str, block: Path, /, *, kbpk: int, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Take the next version of a key from a partner's TR-31 key block.

    For example:
        cardswitch keys import chip supplier.tr31 --kbpk 1 --data build/mine --officers "Li Wei:11,Chen Jie:12"

    Next: compare the check value with the partner's paper; then `keys rotate`.

    Parameters
    ----------
    block
        File with the key block.
    kbpk
        Version of the transport key that was agreed with the partner.
    """
    one = read_purpose(purpose)
    try:
        with open(block, "rb") as file:
            text = file.read(BLOCK_BYTES_MAX + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{block}: expected a file with a key block, got none that can be read") from None
    with house.open_to_change() as (keys, officers):
        number = next_version(keys.keyring, one)
        kek = kek_version(keys)
        change_ring(keys.keyring, lambda: keys.keyring.import_tr31(text, one, number, kek, kbpk, officers.people))
        entry = keys.keyring.entry(one, number)
    return _made(switch, entry, "imported")


@app.command
def export(
    purpose: str,
    version: int,
    /,
    *,
    kbpk: int,
    out: Path,
    house: House = HOUSE,
    switch: Switch = DEFAULT,
) -> int:
    """Write a key that may leave as a TR-31 key block (version D) for a partner.

    For example:
        cardswitch keys export chip 2 --kbpk 1 --out chip-2.tr31

    Next: send the block, and the check value on another way.

    Parameters
    ----------
    kbpk
        Version of the transport key that was agreed with the partner.
    out
        File to write; it must not be there.
    """
    one = read_purpose(purpose)
    with house.open_to_change() as (keys, officers):
        blocks: list[str] = []
        change_ring(
            keys.keyring,
            lambda: blocks.append(keys.keyring.export_tr31(one, version, kbpk, officers.people)),
        )
        entry = keys.keyring.entry(one, version)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise CommandError(f"--out: expected a new file, got {error.strerror} for {out}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(blocks[-1] + "\n")
    check_value = entry.check_value.hex().upper()
    switch.output.say(
        f"{NAMES[one]} {version} is in {out}, check value {check_value}",
        purpose=NAMES[one],
        version=version,
        check_value=check_value,
        file=str(out),
    )
    return 0


@app.command
def reseal(*, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Seal the keystore by another passphrase; the keys stay as they are, and a running switch goes on.

    For example:
        CARDSWITCH_NEW_PASSPHRASE_FILE=new cardswitch keys reseal --data build/mine --officers "Li Wei:11,Chen Jie:12"

    The new passphrase comes from that file, from CARDSWITCH_NEW_PASSPHRASE, or
    is asked for twice.
    Next: put the new passphrase where `serve` reads it, and destroy copies of
    the keystore: they open with the old one.
    """
    with house.open_to_change(writable=True) as (keys, officers):
        if not isinstance(keys.backend, SoftwareBackend):
            raise CommandError("keys reseal: expected a sealed file, got a token; change its PIN with the maker's tool")
        is_training = os.environ.get("CARDSWITCH_KEY_COST") == "training"
        passphrase = _new_passphrase()
        change_ring(keys.keyring, lambda: keys.keyring.note(officers.people, KeyAct.RESEAL))
        keys.backend.reseal(passphrase, cost=TRAINING_COST if is_training else LIVE_COST)
    switch.output.say("sealed anew. Next: put the new passphrase where `cardswitch serve` reads it", resealed=True)
    return 0


def _new_passphrase() -> bytes:
    if named := os.environ.get(f"{NEW_PASSPHRASE}_FILE"):
        try:
            return Path(named).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise CommandError(
                f"{NEW_PASSPHRASE}_FILE: expected a file that can be read, got {error.strerror} for {named}"
            ) from None
    if (given := os.environ.get(NEW_PASSPHRASE)) is not None:
        return given.encode()
    typed = getpass.getpass("new passphrase of the keys: ")
    if getpass.getpass("the same again: ") != typed:
        raise CommandError("new passphrase: expected the same twice, got two; nothing was changed")
    return typed.encode()


# --------------------------------------------------------------------------- proofs


@app.command
def public(*, version: int | None = None, pem: bool = False, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Print the public key that the journal's signatures are checked with.

    For example:
        cardswitch keys public --pem --data build/mine

    Parameters
    ----------
    version
        Version of the signing key; without it the one that signs now.
    pem
        As a PEM file instead of 64 hexadecimal digits.
    """
    with house.open() as keys:
        chain = KeyChain(open_directory(house.directory).journal)
        chosen = version or in_use(keys, chain, KeyUse.SIGN)
        raw = chain.public_key(chosen) or keys.backend.public_key(chosen)
    key = Ed25519PublicKey.from_public_bytes(raw)
    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() if pem else raw.hex()
    switch.output.say(
        text.rstrip("\n"), version=chosen, public_key=raw.hex(), base64=base64.b64encode(raw).decode(), pem=text
    )
    return 0


@app.command
def log(*, repair: bool = False, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Check the key log from its first line on, and print it: who did what to which key.

    For example:
        cardswitch keys log --data build/mine

    The last line's number and MAC are worth keeping elsewhere: they show
    whether both files were put back to an earlier day.

    Parameters
    ----------
    repair
        Remove a last line that a crash has cut, and log that.
    """
    if repair:
        with house.open_to_change() as (keys, _):
            pass
    with house.open() as keys:
        try:
            lines = keys.keyring.verify_log()
        except LogTornError as error:
            raise CommandError(f"{error}: cardswitch keys log --repair") from None
        head = keys.keyring.log_head
    rows = [
        {
            "line": line.sequence,
            "time": format_moment(line.time_ms),
            "author": line.author,
            "approver": line.approver,
            "act": line.act.value,
            "key": _key_of(line),
            "check_value": line.check_value,
            "kek": line.kek_version or "",
            "revision": line.revision,
        }
        for line in lines
    ]
    if switch.json:
        switch.output.json({"lines": rows, "last": head.sequence, "mac": head.mac.hex()})
        return 0
    switch.output.rows(rows, nothing="no lines")
    print(f"\n{len(lines)} lines, each follows from the one before; last: {head.sequence}, MAC {head.mac.hex()}")
    return 0


def _key_of(line: LogLine) -> str:
    if line.purpose:
        return f"{line.purpose.lower()} {line.version}"
    return f"{line.act.value.partition('_')[2].lower()} {line.version}" if line.version else ""


@app.command
def ceremony() -> int:
    """Print the protocol of a key ceremony, to be filled in and signed on paper.

    For example:
        cardswitch keys ceremony > protocol.txt
    """
    print(CEREMONY, end="")
    return 0
