"""What the year's tables know and the switch is not told, as CSV files that `cardswitch admin load-facts` takes over.

Names of departments and categories, traits of households, campaigns with the
households that they address and the coupons that these redeemed.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .plan import Plan

NO_CATEGORY = "UNKNOWN"
TRAITS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")


def write_facts(plan: Plan, data: Path, out: Path) -> None:
    """Write the files for the cards of a plan, from the tables in `data`."""
    import polars as pl

    out.mkdir(parents=True, exist_ok=True)
    numbers = {card.household_id: card.number for card in plan.cards if card.clone == 0}
    goods = [("department", number, name) for name, number in plan.year.departments.items()]
    goods += [("category", number, name or NO_CATEGORY) for name, number in plan.year.categories.items()]
    _write(out / "goods_names.csv", ("kind", "number", "name"), goods)

    rows = pl.read_parquet(data / "demographics.parquet").select("household_id", *TRAITS).iter_rows()
    known = {household: [trait or "" for trait in traits] for household, *traits in rows}
    nothing = [""] * len(TRAITS)
    _write(
        out / "member_facts.csv",
        ("account_number", "member", *TRAITS, "has_profile"),
        (
            (number, household, *known.get(household, nothing), int(household in known))
            for household, number in sorted(numbers.items())
        ),
    )

    described = pl.read_parquet(data / "campaign_descriptions.parquet").sort("campaign_id")
    columns = described.select("campaign_id", "campaign_type", "start_date", "end_date").iter_rows()
    _write(
        out / "campaigns.csv",
        ("campaign_id", "name", "type", "start_date", "end_date", "cost_minor"),
        ((number, f"Campaign {number}", type_, start.date(), end.date(), 0) for number, type_, start, end in columns),
    )
    targets = pl.read_parquet(data / "campaigns.parquet").select("campaign_id", "household_id").iter_rows()
    _write(
        out / "campaign_targets.csv",
        ("campaign_id", "account_number"),
        sorted((campaign, numbers[household]) for campaign, household in targets if household in numbers),
    )
    coupons = pl.read_parquet(data / "coupon_redemptions.parquet").select("campaign_id", "household_id").iter_rows()
    redeemed = Counter((campaign, numbers[household]) for campaign, household in coupons if household in numbers)
    _write(
        out / "campaign_redemptions.csv",
        ("campaign_id", "account_number", "redemption_count"),
        ((*key, count) for key, count in sorted(redeemed.items())),
    )


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
