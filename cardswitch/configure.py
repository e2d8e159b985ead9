"""`cardswitch organisation`, `store`, `terminal`: who there is besides cards."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Literal

from cyclopts import App

from switch._clock import random_key
from switch.protocol.messages import (
    OrganisationNode,
    PutOrganisationRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Right,
    SignedOnRow,
    TerminalStatus,
)
from switch.protocol.records import (
    OrganisationRecord,
    RecordKind,
    StoreRecord,
    TerminalRecord,
)
from terminals.credentials import Credentials, read_credentials, write_credentials

from .desk import DEFAULT, Desk, Switch, at_desk
from .form import bits_of, choose, name_of, names_of
from .output import CommandError, insist
from .units import (
    Money,
    format_decimal,
    format_moment,
)


def group_of(name: str, what: str, example: str) -> App:
    """A group of commands."""
    return App(name=name, help=f"{what}\n\nFor example:\n    cardswitch {example}", help_format="plaintext")


def text_of(name: bytes) -> str:
    """A name of a record."""
    return name.rstrip(b"\0").decode("utf-8", "replace")


def name_bytes(text: str, bytes_max: int) -> bytes:
    """A name as messages have it; `CommandError` when it is too long."""
    if len(text.encode()) > bytes_max:
        raise CommandError(f"--name: expected at most {bytes_max} bytes in UTF-8, got {len(text.encode())}")
    return text.encode().ljust(bytes_max, b"\0")


def list_all(switch: Switch, kind: RecordKind, form: Any, row_of: Any, nothing: str) -> int:
    """Print all records of a kind."""

    async def work(desk: Desk) -> int:
        desk.out.rows([row_of(record) for record in await desk.records(kind, form)], nothing=nothing)
        return 0

    return at_desk(switch, work)


# --------------------------------------------------------------------------- organisation

organisation_app = group_of(
    "organisation", "Nodes of the group: headquarters, regions, stores, dealers.", "organisation put 1 hq --name Group"
)


@organisation_app.command(name="put")
def put_organisation(
    number: int,
    node: Literal["hq", "region", "store", "dealer"],
    /,
    *,
    under: int = 0,
    name: str = "",
    switch: Switch = DEFAULT,
) -> int:
    """Create or change a node of the organisation.

    For example:
        cardswitch organisation put 10 region --under 1 --name North

    Next: put stores into it with `cardswitch store put --organisation`.

    Parameters
    ----------
    number
        Number of the node.
    node
        What it is.
    under
        Node above, which must exist; 0: at the top.
    name
        Name, at most 40 bytes.
    """
    name_bytes(name, 40)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_organisation(number, OrganisationNode[node.upper()], parent_id=under, name=name)
        insist(outcome, f"organisation {number}", PutOrganisationRequest)
        desk.out.say(f"organisation {number}: put", organisation=number)
        return 0

    return at_desk(switch, work)


@organisation_app.command(name="list")
def list_organisation(*, switch: Switch = DEFAULT) -> int:
    """List the nodes of the organisation.

    For example:
        cardswitch organisation list
    """

    def row_of(row: OrganisationRecord) -> dict[str, Any]:
        node = name_of(OrganisationNode, row.node)
        return {"organisation": row.organisation_id, "node": node, "under": row.parent_id, "name": text_of(row.name)}

    return list_all(switch, RecordKind.ORGANISATION, OrganisationRecord, row_of, "no organisation")


# --------------------------------------------------------------------------- stores

store_app = group_of("store", "Stores, in which tills stand.", "store put 12 --organisation 10 --round-off 0.10")


@store_app.command(name="put")
def put_store(number: int, /, *, organisation: int = 0, round_off: Money = 0, switch: Switch = DEFAULT) -> int:
    """Create or change a store.

    For example:
        cardswitch store put 12 --organisation 10 --round-off 0.10

    Next: put its tills with `cardswitch terminal put`.

    Parameters
    ----------
    number
        Number of the store.
    organisation
        Node of the organisation that it belongs to.
    round_off
        Cash is rounded down to multiples of this; 0.00: exact.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_store(number, organisation, round_off_minor=round_off)
        insist(outcome, f"store {number}", PutStoreRequest)
        desk.out.say(f"store {number}: put", store=number)
        return 0

    return at_desk(switch, work)


@store_app.command(name="list")
def list_stores(*, switch: Switch = DEFAULT) -> int:
    """List the stores.

    For example:
        cardswitch store list
    """

    def row_of(row: StoreRecord) -> dict[str, Any]:
        return {
            "store": row.store_id,
            "organisation": row.organisation_id,
            "round_off": format_decimal(row.round_off_minor),
        }

    return list_all(switch, RecordKind.STORE, StoreRecord, row_of, "no stores")


# --------------------------------------------------------------------------- terminals

terminal_app = group_of(
    "terminal",
    "Tills and operators' workplaces, with their keys and rights.",
    "terminal put 7 --store 12 --rights pay,credit --key-file till-7.key",
)


@terminal_app.command(name="put")
def put_terminal(
    number: int,
    /,
    *,
    key_file: Path,
    rights: str = "pay",
    store: int = 0,
    block: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Create or change a terminal. Its key is made, if the key file is not there yet.

    For example:
        cardswitch terminal put 7 --store 12 --rights pay,credit --key-file till-7.key

    A service desk that does everything: `--rights
    pay,credit,configure,follow,cards` without `--store`.
    Next: carry the key file to the terminal, and delete it here. New rights
    hold from its next sign-on.

    Parameters
    ----------
    number
        Number of the terminal.
    key_file
        Key file of the terminal; a new one is made when there is none.
    rights
        What it may send, with commas: pay, credit, configure, follow, cards, security.
    store
        Its store; 0: an operator's workplace.
    block
        It may not sign on any more, and is cut off at its next message.
    """
    try:
        bits = 0
        for name in filter(None, rights.split(",")):
            bits |= choose(name.strip(), names_of(Right))
    except ValueError as error:
        raise CommandError(f"--rights: {error}") from None
    is_new = not key_file.exists()
    credentials = Credentials(number, random_key()) if is_new else read_credentials(key_file)
    if credentials.terminal_id != number:
        raise CommandError(
            f"{key_file}: expected the key of terminal {number}, got that of terminal {credentials.terminal_id};"
            " name another file"
        )
    if is_new:
        write_credentials(key_file, credentials)  # first: a key that only the switch knows is of no use

    async def work(desk: Desk) -> int:
        status = TerminalStatus.BLOCKED if block else TerminalStatus.ACTIVE
        outcome = await desk.client.put_terminal(number, credentials.key, store_id=store, rights=bits, status=status)
        insist(outcome, f"terminal {number}", PutTerminalRequest)
        desk.out.say(
            f"terminal {number}: {status.name}; its key is in {key_file}",
            terminal=number,
            status=status.name,
            key_file=str(key_file),
            new_key=is_new,
        )
        return 0

    return at_desk(switch, work)


@terminal_app.command(name="list")
def list_terminals(*, switch: Switch = DEFAULT) -> int:
    """List the terminals with their stores and rights.

    For example:
        cardswitch terminal list
    """

    def row_of(row: TerminalRecord) -> dict[str, Any]:
        return {
            "terminal": row.terminal_id,
            "store": row.store_id,
            "status": TerminalStatus(row.status).name,
            "rights": ", ".join(bits_of(Right, row.rights)),
        }

    return list_all(switch, RecordKind.TERMINAL, TerminalRecord, row_of, "no terminals")


@terminal_app.command(name="online")
def list_signed_on(terminal: int = 0, *, switch: Switch = DEFAULT) -> int:
    """List who is signed on at this moment: since when, from where, with which software and key, last message.

    For example:
        cardswitch terminal online
        cardswitch terminal online 7

    Times are UTC. This command's own session is among them. The journal does
    not know who is signed on; the switch tells it when it is asked.

    Parameters
    ----------
    terminal
        Number of a terminal; without it all are listed.
    """

    async def work(desk: Desk) -> int:
        rows = [_session_row(session) async for session in desk.client.signed_on(terminal_id=terminal)]
        desk.out.rows(rows, nothing="nobody is signed on" if terminal == 0 else f"terminal {terminal}: not signed on")
        return 0

    return at_desk(switch, work)


def _session_row(row: SignedOnRow) -> dict[str, Any]:
    return {
        "terminal": row.terminal_id,
        "since": format_moment(row.signed_on_ms),
        "address": address_text(row.address),
        "protocol": row.protocol_version,
        "software": version_text(row.software_version),
        "key_version": row.key_version,
        "frames": row.frame_count,
        "errors": row.error_count,
        "last_message": format_moment(row.last_message_ms),
    }


def address_text(address: bytes) -> str:
    """Where a session comes from, as people write it; empty: unknown."""
    found = ipaddress.IPv6Address(address)
    return "" if not any(address) else str(found.ipv4_mapped or found)


def version_text(version: int) -> str:
    """Version of a terminal's software; empty: it does not say."""
    return f"{version >> 8}.{version & 0xFF}" if version else ""
