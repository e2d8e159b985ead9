"""Figures that reports over the shopping year must show, computed from the raw tables and nothing of the project.

Plain Python over rows: no SQL, no code of reports, loader or switch.  The same
definitions gave `loadtests/shopping_year/reference`; a test compares the two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

LAST_DATE = date(2017, 12, 31)
ZONE = ZoneInfo("America/New_York")
LOST_DAYS = 60
BANDS = ((1, 1), (2, 5), (6, 12), (13, 24), (25, 52), (53, 104), (105, 9999))
STAMP = "transaction_timestamp"
TRAITS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
Rows = list[dict[str, Any]]


def cents(dollars: float) -> int:
    return round(dollars * 100)


class YearReference:
    """All figures for the households with `household_id % mod == residue`."""

    def __init__(self, data: Path, mod: int, residue: int) -> None:
        import polars as pl

        def rows(name: str, *columns: str) -> Any:
            table = pl.read_parquet(data / f"{name}.parquet").select(*columns)
            if name == "transactions":
                table = table.filter(pl.col("household_id") % mod == residue)
            return table.iter_rows()

        self._rows = rows
        products = {
            item: (dept, cat) for item, dept, cat in rows("products", "product_id", "department", "product_category")
        }
        names = (
            "basket_id",
            "household_id",
            "store_id",
            "product_id",
            "sales_value",
            "coupon_disc",
            "transaction_timestamp",
        )
        lines = defaultdict(list)
        heads = {}
        for basket, household, store, item, sales, coupon, stamp in rows("transactions", *names):
            lines[basket].append((item, cents(sales) - cents(coupon)))
            heads[basket] = (household, store, stamp)
        self.baskets = []
        """(household, store, local date, paid cents, lines) of those with paid > 0."""
        self.local_hours: list[int] = []
        """Hour on the local clock of each of them."""
        for basket, (household, store, stamp) in heads.items():
            paid = sum(amount for _, amount in lines[basket])
            if paid > 0:
                moment = stamp.replace(tzinfo=UTC).astimezone(ZONE)
                local = moment.date()
                self.local_hours.append(moment.hour)
                self.baskets.append((household, store, local, paid, lines[basket]))
        self.products = products
        self.spend: Counter[int] = Counter()
        self.visits: Counter[int] = Counter()
        self.dates: dict[int, list[date]] = defaultdict(list)
        self.stores: dict[int, set[int]] = defaultdict(set)
        for household, store, local, paid, _ in self.baskets:
            self.spend[household] += paid
            self.visits[household] += 1
            self.dates[household].append(local)
            self.stores[household].add(store)
        self.households = sorted(self.spend)
        self.since = {one: (LAST_DATE - max(self.dates[one])).days for one in self.households}

    def ranking(self, top: int) -> Rows:
        order = sorted(self.households, key=lambda one: (-self.spend[one], one))
        return [
            {
                "rank": place,
                "household_id": one,
                "spend_c": self.spend[one],
                "visits": self.visits[one],
                "days": len(set(self.dates[one])),
                "stores": len(self.stores[one]),
                "first": min(self.dates[one]).isoformat(),
                "last": max(self.dates[one]).isoformat(),
                "days_since": self.since[one],
            }
            for place, one in enumerate(order[:top], 1)
        ]

    def store_ranking(self, top: int) -> Rows:
        spend: Counter[int] = Counter()
        visits: Counter[int] = Counter()
        members = defaultdict(set)
        for household, store, _, paid, _ in self.baskets:
            spend[store] += paid
            visits[store] += 1
            members[store].add(household)
        order = sorted(spend, key=lambda store: (-spend[store], store))
        return [
            {"rank": n, "store_id": one, "spend_c": spend[one], "visits": visits[one], "members": len(members[one])}
            for n, one in enumerate(order[:top], 1)
        ]

    def goods(self, with_category: bool) -> dict[tuple[str, ...], tuple[int, int, int, int]]:
        """By (department) or (department, category): paid cents, lines, baskets, members."""
        paid: Counter[tuple[str, ...]] = Counter()
        count: Counter[tuple[str, ...]] = Counter()
        baskets: dict[tuple[str, ...], set[int]] = defaultdict(set)
        members: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for number, (household, _, _, _, lines) in enumerate(self.baskets):
            for item, amount in lines:
                department, category = self.products.get(item, ("UNKNOWN", None))
                key: tuple[str, ...] = (department, category or "UNKNOWN") if with_category else (department,)
                paid[key] += amount
                count[key] += 1
                baskets[key].add(number)
                members[key].add(household)
        return {key: (paid[key], count[key], len(baskets[key]), len(members[key])) for key in paid}

    def monthly_spend(self) -> dict[tuple[int, int], int]:
        """Cents by (household, month)."""
        spend: Counter[tuple[int, int]] = Counter()
        for household, _, local, paid, _ in self.baskets:
            spend[household, local.month] += paid
        return dict(spend)

    def monthly_summary(self) -> Rows:
        spend = self.monthly_spend()
        active = {month: {one for one in self.households if (one, month) in spend} for month in range(13)}
        found = []
        for month in range(1, 13):
            now, before = active[month], active[month - 1]
            new = {one for one in now if min(self.dates[one]).month == month}
            kept = now & before
            found.append(
                {
                    "month": month,
                    "active": len(now),
                    "new": len(new),
                    "retained": len(kept),
                    "reactivated": len(now - before - new),
                    "lapsed": len(before - now),
                    "up": sum(spend[one, month] > spend[one, month - 1] for one in kept),
                    "down": sum(spend[one, month] < spend[one, month - 1] for one in kept),
                    "spend_c": sum(spend[one, month] for one in now),
                }
            )
        return found

    def change(self) -> Rows:
        spend, found = self.monthly_spend(), []
        for one in self.households:
            november, december = spend.get((one, 11), 0), spend.get((one, 12), 0)
            change = december - november
            found.append(
                {
                    "household_id": one,
                    "nov_c": november,
                    "dec_c": december,
                    "change_c": change,
                    "change_bp": change * 10_000 // november if november else "",
                }
            )
        return found

    def churn(self) -> Rows:
        return [
            {
                "household_id": one,
                "last": max(self.dates[one]).isoformat(),
                "days_since": self.since[one],
                "visits": self.visits[one],
                "spend_c": self.spend[one],
            }
            for one in sorted(self.households, key=lambda one: (-self.since[one], one))
            if self.since[one] >= LOST_DAYS
        ]

    def frequency(self) -> Rows:
        found = []
        for low, high in BANDS:
            members = [one for one in self.households if low <= self.visits[one] <= high]
            found.append(
                {
                    "visits": f"{low}-{high}",
                    "members": len(members),
                    "spend_c": sum(self.spend[one] for one in members),
                    "churned60": sum(self.since[one] >= LOST_DAYS for one in members),
                }
            )
        return [row for row in found if row["members"]]

    def rfm(self) -> Rows:
        def fifths(badness: dict[int, int]) -> dict[int, int]:
            order = sorted(self.households, key=lambda one: (badness[one], one))
            return {one: 5 - place * 5 // len(order) for place, one in enumerate(order)}

        recency = fifths(self.since)
        frequency = fifths({one: -count for one, count in self.visits.items()})
        money = fifths({one: -spend for one, spend in self.spend.items()})
        return [
            {
                "household_id": one,
                "days_since": self.since[one],
                "visits": self.visits[one],
                "spend_c": self.spend[one],
                "R": recency[one],
                "F": frequency[one],
                "M": money[one],
            }
            for one in self.households
        ]

    def concentration(self) -> Rows:
        order = sorted(self.spend.values(), reverse=True)
        found = []
        for percent in (1, 5, 10, 20, 50, 100):
            members = -(-len(order) * percent // 100)
            spend = sum(order[:members])
            share = spend * 10_000 // sum(order)
            found.append({"top_percent": percent, "members": members, "spend_c": spend, "share_bp": share})
        return found

    def traits(self) -> dict[int, dict[str, str]]:
        """Traits of households of which something is known."""
        known = self._rows("demographics", "household_id", *TRAITS)
        return {one: dict(zip(TRAITS, (v or "UNKNOWN" for v in values), strict=True)) for one, *values in known}

    def composition(self, trait: str) -> Rows:
        traits, groups = self.traits(), defaultdict(list)
        for one in self.households:
            groups[traits[one][trait] if one in traits else "NO PROFILE"].append(one)
        return [
            {
                "attribute": trait,
                "value": value,
                "members": len(members),
                "spend_c": (spend := sum(self.spend[one] for one in members)),
                "visits": sum(self.visits[one] for one in members),
                "mean_spend_c_floor": spend // len(members),
                "churned60": sum(self.since[one] >= LOST_DAYS for one in members),
            }
            for value, members in sorted(groups.items())
        ]

    def age_by_income(self) -> dict[tuple[str, str], int]:
        """Households by (age, income)."""
        traits = self.traits()
        return dict(Counter((traits[one]["age"], traits[one]["income"]) for one in self.households if one in traits))

    def hours(self) -> dict[tuple[int, int], int]:
        """Visits by (local hour, day of the week from Monday = 0)."""
        return dict(Counter((hour, one[2].weekday()) for hour, one in zip(self.local_hours, self.baskets, strict=True)))

    def habits(self) -> Rows:
        """The usual day, hour, store and department of each household; the lower of equals; most visits first."""
        days: dict[int, Counter[int]] = defaultdict(Counter)
        hours: dict[int, Counter[int]] = defaultdict(Counter)
        stores: dict[int, Counter[int]] = defaultdict(Counter)
        departments: dict[int, Counter[str]] = defaultdict(Counter)
        for hour, (household, store, local, _, lines) in zip(self.local_hours, self.baskets, strict=True):
            days[household][local.weekday()] += 1
            hours[household][hour] += 1
            stores[household][store] += 1
            for item, amount in lines:
                departments[household][self.products.get(item, ("UNKNOWN", None))[0]] += amount
        numbers = [*sorted({department for department, _ in self.products.values()} - {"UNKNOWN"}), "UNKNOWN"]

        def usual(counted: Counter[Any]) -> Any:
            return min(counted, key=lambda value: (-counted[value], value))

        found = []
        for one in sorted(self.households, key=lambda one: (-self.visits[one], one)):
            span = (max(self.dates[one]) - min(self.dates[one])).days
            by_number = Counter({numbers.index(name): amount for name, amount in departments[one].items()})
            found.append(
                {
                    "household_id": one,
                    "visits": self.visits[one],
                    "days_between": span * 100 // (self.visits[one] - 1) if self.visits[one] > 1 else None,
                    "weekday": usual(days[one]),
                    "hour": usual(hours[one]),
                    "store": usual(stores[one]),
                    "department": numbers[usual(by_number)],
                }
            )
        return found

    def campaigns(self) -> Rows:
        targets, redeemed = defaultdict(set), defaultdict(list)
        for campaign, household in self._rows("campaigns", "campaign_id", "household_id"):
            targets[campaign].add(household)
        for campaign, household in self._rows("coupon_redemptions", "campaign_id", "household_id"):
            redeemed[campaign].append(household)
        found = []
        described = self._rows("campaign_descriptions", "campaign_id", "campaign_type", "start_date", "end_date")
        for campaign, type_, start, end in sorted(described):
            first, last = _date(start), _date(end)
            own = targets[campaign] & set(self.households)
            bought = [(b[0], b[3]) for b in self.baskets if b[0] in own and first <= b[2] <= last]
            coupons = [one for one in redeemed[campaign] if one in self.spend]
            found.append(
                {
                    "campaign_id": campaign,
                    "type": type_,
                    "start": first.isoformat(),
                    "end": last.isoformat(),
                    "targeted": len(own),
                    "targeted_active": len({household for household, _ in bought}),
                    "visits": len(bought),
                    "spend_c": sum(paid for _, paid in bought),
                    "redeemers": len(set(coupons)),
                    "redemptions": len(coupons),
                }
            )
        return found


def _date(moment: datetime) -> date:
    return moment.date()
