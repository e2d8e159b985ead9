"""`cardswitch organisation`, `store`, `terminal`, `points`, `gift`, `price`: what a switch must know besides cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from cyclopts import App

from switch._clock import random_key
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    OrganisationNode,
    PointsCategoryFlag,
    PutGiftRequest,
    PutOrganisationRequest,
    PutPointsCategoryRequest,
    PutPriceRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Right,
    TerminalStatus,
)
from switch.protocol.records import (
    GiftRecord,
    OrganisationRecord,
    PointsCategoryRecord,
    PriceRecord,
    RecordKind,
    StoreRecord,
    TerminalRecord,
)
from terminals.credentials import Credentials, read_credentials, write_credentials

from .desk import DEFAULT, Desk, Switch, at_desk
from .form import bits_of, choose, name_of, names_of
from .output import CommandError, insist
from .units import (
    CountLimit,
    Date,
    Money,
    Points,
    format_count_limit,
    format_date,
    format_decimal,
)


def _app(name: str, what: str, example: str) -> App:
    return App(name=name, help=f"{what}\n\nFor example:\n    cardswitch {example}", help_format="plaintext")


def _text(name: bytes) -> str:
    return name.rstrip(b"\0").decode("utf-8", "replace")


def _name(text: str, bytes_max: int) -> bytes:
    if len(text.encode()) > bytes_max:
        raise CommandError(f"--name: expected at most {bytes_max} bytes in UTF-8, got {len(text.encode())}")
    return text.encode().ljust(bytes_max, b"\0")


def _list(switch: Switch, kind: RecordKind, form: Any, row_of: Any, nothing: str) -> int:
    async def work(desk: Desk) -> int:
        desk.out.rows([row_of(record) for record in await desk.records(kind, form)], nothing=nothing)
        return 0

    return at_desk(switch, work)


# --------------------------------------------------------------------------- organisation

organisation_app = _app(
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

    Example:
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
    _name(name, 40)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_organisation(number, OrganisationNode[node.upper()], parent_id=under, name=name)
        insist(outcome, f"organisation {number}", PutOrganisationRequest)
        desk.out.say(f"organisation {number}: put", organisation=number)
        return 0

    return at_desk(switch, work)


@organisation_app.command(name="list")
def list_organisation(*, switch: Switch = DEFAULT) -> int:
    """List the nodes of the organisation.

    Example:
        cardswitch organisation list
    """

    def row_of(row: OrganisationRecord) -> dict[str, Any]:
        node = name_of(OrganisationNode, row.node)
        return {"organisation": row.organisation_id, "node": node, "under": row.parent_id, "name": _text(row.name)}

    return _list(switch, RecordKind.ORGANISATION, OrganisationRecord, row_of, "no organisation")


# --------------------------------------------------------------------------- stores

store_app = _app("store", "Stores, in which tills stand.", "store put 12 --organisation 10 --round-off 0.10")


@store_app.command(name="put")
def put_store(number: int, /, *, organisation: int = 0, round_off: Money = 0, switch: Switch = DEFAULT) -> int:
    """Create or change a store.

    Example:
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

    Example:
        cardswitch store list
    """

    def row_of(row: StoreRecord) -> dict[str, Any]:
        return {
            "store": row.store_id,
            "organisation": row.organisation_id,
            "round_off": format_decimal(row.round_off_minor),
        }

    return _list(switch, RecordKind.STORE, StoreRecord, row_of, "no stores")


# --------------------------------------------------------------------------- terminals

terminal_app = _app(
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

    Example:
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
        What it may send, with commas: pay, credit, configure, follow, cards.
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

    Example:
        cardswitch terminal list
    """

    def row_of(row: TerminalRecord) -> dict[str, Any]:
        return {
            "terminal": row.terminal_id,
            "store": row.store_id,
            "status": TerminalStatus(row.status).name,
            "rights": ", ".join(bits_of(Right, row.rights)),
        }

    return _list(switch, RecordKind.TERMINAL, TerminalRecord, row_of, "no terminals")


# --------------------------------------------------------------------------- points categories

points_app = _app(
    "points", "Categories of points, and what they are worth.", "points put 1 --name Promotion --converts 1.00"
)


@points_app.command(name="put")
def put_points(
    category: int,
    /,
    *,
    name: str = "",
    pays: Points = 0,
    pays_at_most: Points = 10_000,
    converts: Points = 0,
    lot: Money = 1,
    disable: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Create or change a category of points; category 0 exists from the beginning.

    Example:
        cardswitch points put 1 --name Promotion --pays 1.00 --pays-at-most 50 --converts 1.00 --lot 10.00

    Next: rules name the category (points_category); a disabled one earns and
    pays nothing, and keeps what there is.

    Parameters
    ----------
    category
        Number, 0 to 63.
    name
        Name, at most 24 bytes.
    pays
        Points that pay 0.01 of a bill, such as 1.00; 0: they cannot pay.
    pays_at_most
        Largest part of a bill that they may pay, percent.
    converts
        Points that become 0.01 of value; 0: they cannot.
    lot
        Conversions give multiples of this.
    disable
        Switch the category off.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_points_category(
            category,
            flags=0 if disable else PointsCategoryFlag.ENABLED,
            tender_cap_bp=pays_at_most,
            tender_rate=pays,
            convert_rate=converts,
            convert_lot_minor=lot,
            name=_name(name, 24),
        )
        insist(outcome, f"points category {category}", PutPointsCategoryRequest)
        desk.out.say(f"points category {category}: put", category=category)
        return 0

    return at_desk(switch, work)


@points_app.command(name="list")
def list_points(*, switch: Switch = DEFAULT) -> int:
    """List the categories of points.

    Example:
        cardswitch points list
    """

    def row_of(row: PointsCategoryRecord) -> dict[str, Any]:
        return {
            "category": row.category,
            "name": _text(row.name),
            "enabled": bool(row.flags & PointsCategoryFlag.ENABLED),
            "pays": format_decimal(row.tender_rate),
            "pays_at_most": f"{format_decimal(row.tender_cap_bp)} %",
            "converts": format_decimal(row.convert_rate),
            "lot": format_decimal(row.convert_lot_minor),
        }

    nothing = "only category 0, as it is from the beginning"
    return _list(switch, RecordKind.POINTS_CATEGORY, PointsCategoryRecord, row_of, nothing)


# --------------------------------------------------------------------------- gifts

gift_app = _app("gift", "Gifts that points are redeemed for.", "gift put 5 --name Umbrella --price 500 --stock 40")


@gift_app.command(name="put")
def put_gift(
    number: int,
    /,
    *,
    price: Points,
    name: str = "",
    category: int = 0,
    stock: CountLimit = NO_COUNT_LIMIT,
    per_account: CountLimit = NO_COUNT_LIMIT,
    level_min: int = 0,
    from_date: Date = 0,
    until_date: Date = 0,
    keeps_points: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Create or change a gift.

    Example:
        cardswitch gift put 5 --name Umbrella --price 500 --stock 40 --per-account 2

    Next: `cardswitch card redeem CARD --gift 5`, or a till.

    Parameters
    ----------
    number
        Number of the gift.
    price
        Points for one piece.
    name
        Name, at most 32 bytes.
    category
        Points category of the price.
    stock
        Pieces left, or unlimited.
    per_account
        Pieces that one account may take, or unlimited.
    level_min
        Lowest level that may take it.
    from_date
        First date.
    until_date
        Last date.
    keeps_points
        The points are only required, not taken.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_gift(
            number,
            price,
            flags=0 if keeps_points else 1,
            level_min=level_min,
            category=category,
            from_date=from_date,
            until_date=until_date,
            account_max=per_account,
            stock=stock,
            name=_name(name, 32),
        )
        insist(outcome, f"gift {number}", PutGiftRequest)
        desk.out.say(f"gift {number}: put", gift=number)
        return 0

    return at_desk(switch, work)


@gift_app.command(name="list")
def list_gifts(*, switch: Switch = DEFAULT) -> int:
    """List the gifts with price and stock.

    Example:
        cardswitch gift list
    """

    def row_of(row: GiftRecord) -> dict[str, Any]:
        return {
            "gift": row.gift_id,
            "name": _text(row.name),
            "price": format_decimal(row.price_hundredths),
            "category": row.category,
            "takes_points": bool(row.flags & 1),
            "stock": format_count_limit(row.stock),
            "per_account": format_count_limit(row.account_max),
            "level_min": row.level_min,
            "from": format_date(row.from_date),
            "until": format_date(row.until_date),
        }

    return _list(switch, RecordKind.GIFT, GiftRecord, row_of, "no gifts")


# --------------------------------------------------------------------------- prices

price_app = _app("price", "The switch's own price list.", "price put 6901028075022 12.50 --from-date 2026-03-01")


@price_app.command(name="put")
def put_price(
    item: int, price: Money, /, *, price_class: int = 0, from_date: Date = 0, switch: Switch = DEFAULT
) -> int:
    """Set the price of one unit of an article, at once or from a date on.

    Example:
        cardswitch price put 6901028075022 12.50 --price-class 2 --from-date 2026-03-01

    Next: bills whose lines carry no amounts are priced by it (`rules try` with
    "priced": true).

    Parameters
    ----------
    item
        Article number.
    price
        Price of one unit.
    price_class
        Price class of card types; 0: retail, which counts where a class has no price.
    from_date
        First date; without it at once.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_price(item, price, price_class=price_class, from_date=from_date)
        insist(outcome, f"price of {item}", PutPriceRequest)
        since = f"from {format_date(from_date)} on" if from_date else "from now on"
        desk.out.say(f"price of {item} in class {price_class}: {format_decimal(price)} {since}", item=item)
        return 0

    return at_desk(switch, work)


@price_app.command(name="list")
def list_prices(item: int | None = None, /, *, switch: Switch = DEFAULT) -> int:
    """List prices; with a number, those of one article.

    Example:
        cardswitch price list 6901028075022

    Parameters
    ----------
    item
        Article number.
    """

    async def work(desk: Desk) -> int:
        found = await desk.records(RecordKind.PRICE, PriceRecord, *(() if item is None else (item,)), owner=item)
        rows = [
            {
                "item": row.item,
                "class": row.price_class,
                "price": format_decimal(row.unit_price_minor) if row.unit_price_minor >= 0 else "none yet",
                "next": format_decimal(row.next_unit_price_minor) if row.next_from_date else "",
                "next_from": format_date(row.next_from_date),
            }
            for row in found
        ]
        desk.out.rows(rows, nothing="no prices")
        return 0

    return at_desk(switch, work)
