"""What the switch answered, checked and written in the oracle's form.

Everything here is counted from the switch's replies: what was due, what was
taken off, what was recharged.  Final balances and points are those that it told
in answer to balance inquiries.  Nothing is computed by the rules: a replay that
knew the answers would prove nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from switch.protocol.codes import ResponseCode
from terminals.masking import mask

from .lanes import ReplayError, ReplyFields, refused
from .plan import Card, Plan

DECLINES = ("13", "51", "57", "61", "62", "65")
"""Columns of declines in the oracle's tables."""
_CODE_TEXTS = {0: "00"} | {int(text): text for text in DECLINES}
HUNDREDTHS_PER_POINT = 100

Totals = dict[str, int]
Row = list[Any]


class Purchase(NamedTuple):
    """The switch's answer to one basket."""

    response: str
    due_minor: int
    """What it came to after the switch's discount, whether it was approved or not."""
    discount_minor: int
    points: int
    balance_minor: int
    """Balance after it."""
    is_reversed: bool = False


class Results:
    """Collects the answers of one replay."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._purchases: list[dict[int, Purchase]] = [{} for _ in range(plan.clones)]
        self._last_seen: dict[tuple[int, int], tuple[int, int]] = {}
        self._balances: dict[tuple[int, int], tuple[int, int]] = {}
        self._recharged_minor: dict[tuple[int, int], int] = defaultdict(int)

    # ------------------------------------------------------------------- collecting

    def note_purchase(self, clone: int, basket_index: int, reply: ReplyFields) -> None:
        """The answer to a debit."""
        basket = self._plan.year.baskets[basket_index]
        what = f"basket {basket.basket_id}"
        response = _CODE_TEXTS.get(reply.code)
        if response is None:
            raise refused(what, reply)
        expected_minor = reply.due_minor if reply.code == ResponseCode.APPROVED else 0
        if reply.amount_minor != expected_minor:
            raise ReplayError(f"{what}: expected a reply about {expected_minor} cents, got {reply.amount_minor}")
        points = _whole_points(what, reply.points_hundredths)
        self._purchases[clone][basket_index] = Purchase(
            response, reply.due_minor, reply.discount_minor, points, reply.balance_minor
        )
        self._note_card(basket.household_id, clone, reply)

    def note_reversal(self, clone: int, basket_index: int, reply: ReplyFields) -> None:
        """The answer to a reversal: it must give back exactly what its purchase took."""
        basket = self._plan.year.baskets[basket_index]
        what = f"reversal of basket {basket.basket_id}"
        if reply.code != ResponseCode.APPROVED:
            raise refused(what, reply)
        purchase = self._purchases[clone][basket_index]
        was_approved = purchase.response == "00"
        expected = (purchase.due_minor, -purchase.points) if was_approved else (0, 0)
        if (got := (reply.amount_minor, _whole_points(what, reply.points_hundredths))) != expected:
            raise ReplayError(f"{what}: expected {expected[0]} cents and {expected[1]} points back, got {got}")
        self._purchases[clone][basket_index] = purchase._replace(is_reversed=was_approved)
        self._note_card(basket.household_id, clone, reply)

    def note_balance(self, card: Card, reply: ReplyFields) -> None:
        """The answer to the balance inquiry at the end; must agree with the last reply about the card.

        What was recharged since then is told with it: by the calendar, a card
        may have been recharged after its last purchase.
        """
        what = f"balance of card {mask(card.number)}"
        if reply.code != ResponseCode.APPROVED:
            raise refused(what, reply)
        last_balance_minor, last_points_hundredths = self._last_seen[card.household_id, card.clone]
        expected = last_balance_minor + reply.recharged_minor, last_points_hundredths
        if (reply.balance_minor, reply.points_balance_hundredths) != expected:
            raise ReplayError(
                f"{what}: expected {expected[0]} cents and {expected[1]} hundredths of points, as in the last reply,"
                f" got {reply.balance_minor} and {reply.points_balance_hundredths}"
            )
        self._note_card(card.household_id, card.clone, reply)
        points = _whole_points(what, reply.points_balance_hundredths)
        self._balances[card.household_id, card.clone] = reply.balance_minor, points

    def _note_card(self, household_id: int, clone: int, reply: ReplyFields) -> None:
        self._last_seen[household_id, clone] = reply.balance_minor, reply.points_balance_hundredths
        if reply.recharged_minor:
            self._recharged_minor[household_id, clone] += reply.recharged_minor

    def check_clones(self) -> None:
        """All clones must have had the same answers and balances; `ReplayError` names the first that differs."""
        first = self._purchases[0]
        for clone in range(1, self._plan.clones):
            for index, purchase in self._purchases[clone].items():
                if purchase != first[index]:
                    basket_id = self._plan.year.baskets[index].basket_id
                    raise ReplayError(f"basket {basket_id}: expected {first[index]} for clone {clone}, got {purchase}")
        for (household_id, clone), balance in self._balances.items():
            if balance != self._balances[household_id, 0]:
                first_balance = self._balances[household_id, 0]
                raise ReplayError(f"household {household_id}: expected {first_balance} in clone {clone}, got {balance}")
        for (household_id, clone), recharged_minor in self._recharged_minor.items():
            if recharged_minor != self._recharged_minor.get((household_id, 0), 0):
                first_minor = self._recharged_minor.get((household_id, 0), 0)
                raise ReplayError(
                    f"household {household_id}: expected {first_minor} cents recharged in clone {clone},"
                    f" got {recharged_minor}"
                )

    # ------------------------------------------------------------------- writing

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the four tables and summary.json; returns the summary.

        With clones the tables list the first clone (all others are equal,
        which `check_clones` has made sure), and the summary's totals, those of
        its card types and of its stores included, are multiplied by the
        number of clones; `top5_cards` lists single cards.
        """
        tables = self._tables()
        folder.mkdir(parents=True, exist_ok=True)
        sha256 = {}
        for name, rows in tables.items():
            text = "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
            sha256[name] = hashlib.sha256(text).hexdigest()
            (folder / f"{name}.csv").write_bytes(text)  # disk
        summary = self._summary(tables, sha256)
        (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")  # disk
        return summary

    def _tables(self) -> dict[str, list[Row]]:
        plan = self._plan
        stores: dict[int, Totals] = defaultdict(lambda: defaultdict(int))
        days: dict[datetime.date, Totals] = defaultdict(lambda: defaultdict(int))
        households: dict[int, Totals] = defaultdict(lambda: defaultdict(int))
        txns: list[Row] = []
        for index, purchase in self._purchases[0].items():
            basket = plan.year.baskets[index]
            date = plan.local_date(index)
            places = (stores[basket.store_id], days[date], households[basket.household_id])
            for totals in places:
                totals["n" + purchase.response] += 1
                totals["points"] += purchase.points
                if purchase.response == "00":
                    totals["approved_c"] += purchase.due_minor
                    totals["discount_c"] += purchase.discount_minor
            if purchase.is_reversed:
                # Booked on the local date of the reversal itself.
                for totals in (
                    stores[basket.store_id],
                    days[plan.reversal_date(index)],
                    households[basket.household_id],
                ):
                    totals["reversed_n"] += 1
                    totals["reversed_c"] += purchase.due_minor
                    totals["points"] -= purchase.points
            txns.append(
                [
                    basket.basket_id,
                    basket.household_id,
                    basket.store_id,
                    date,
                    purchase.response,
                    purchase.due_minor,
                    purchase.discount_minor,
                    purchase.points,
                    purchase.balance_minor,
                    int(purchase.is_reversed),
                ]
            )
        columns = [
            "n00",
            "approved_c",
            "discount_c",
            "reversed_n",
            "reversed_c",
            "points",
            *("n" + d for d in DECLINES),
        ]
        return {
            "cards": [_CARD_COLUMNS, *self._card_rows(households)],
            "stores": [["store_id", *columns], *_total_rows(stores, columns)],
            "days": [["local_date", *columns], *_total_rows(days, columns)],
            "txns": [_TXN_COLUMNS, *sorted(txns, key=lambda row: row[0])],
        }

    def _card_rows(self, households: dict[int, Totals]) -> list[Row]:
        rows: list[Row] = []
        for card in sorted(self._plan.cards):
            if card.clone != 0:
                continue
            totals = households[card.household_id]
            balance_minor, points = self._balances[card.household_id, 0]
            if points != totals["points"]:
                raise ReplayError(
                    f"card {mask(card.number)}: expected {totals['points']} points, as its replies add up, got {points}"
                )
            code = self._plan.rules.card_types[card.type_index].code
            row = [card.household_id, card.number, code, balance_minor, points]
            row += [totals[column] for column in ("n00", "approved_c", "reversed_n", "reversed_c")]
            rows.append([*row, *self._recharges(card), *(totals["n" + decline] for decline in DECLINES)])
        return rows

    def _recharges(self, card: Card) -> tuple[int, int]:
        """How often a card was recharged, and by how much in all: replies tell amounts, each of them of full steps."""
        recharged_minor = self._recharged_minor.get((card.household_id, card.clone), 0)
        if not recharged_minor:
            return 0, 0
        add_minor = self._plan.rules.card_types[card.type_index].recharge.add_minor
        count, rest_minor = divmod(recharged_minor, add_minor) if add_minor else (0, recharged_minor)
        if rest_minor or count < 0:
            raise ReplayError(
                f"card {mask(card.number)}: expected recharges of {add_minor} cents each, got {recharged_minor} in all"
            )
        return count, recharged_minor

    def _summary(self, tables: dict[str, list[Row]], sha256: dict[str, str]) -> dict[str, Any]:
        clones = self._plan.clones
        cards, stores = (_as_dicts(tables[name]) for name in ("cards", "stores"))

        def total(column: str) -> int:
            of_one_clone: int = sum(card[column] for card in cards)
            return of_one_clone * clones

        by_type: dict[str, Totals] = {}
        for card in cards:
            totals = by_type.setdefault(
                card["card_type"], dict.fromkeys(("cards", "balance_c", "points", "approved_c"), 0)
            )
            totals["cards"] += clones
            totals["balance_c"] += card["balance"] * clones
            totals["points"] += card["points"] * clones
            totals["approved_c"] += card["approved_c"] * clones
        purchase_count = len(self._purchases[0]) * clones
        by_turnover = sorted(stores, key=lambda store: (-store["approved_c"], store["store_id"]))
        by_spend = sorted(
            tables["cards"][1:], key=lambda row: (-(row[_APPROVED_COLUMN] - row[_REVERSED_COLUMN]), row[0])
        )
        summary: dict[str, Any] = {
            "rules": self._plan.rules.name,
            "purchases": purchase_count,
            "cards": len(cards) * clones,
            "approved_n": total("approved_n"),
            "approved_c": total("approved_c"),
            "discount_c": sum(store["discount_c"] for store in stores) * clones,
            "reversed_n": total("reversed_n"),
            "reversed_c": total("reversed_c"),
            "recharge_n": total("recharge_n"),
            "recharge_c": total("recharge_c"),
            "closing_balance_c": total("balance"),
            "points": total("points"),
            "declined_n": purchase_count - total("approved_n"),
            "declined": {decline: total("declined_" + decline) for decline in DECLINES},
            "by_type": by_type,
            "top5_cards": [[row[0], str(row[1]), *row[2:7]] for row in by_spend[:5]],
            "top5_stores": {
                str(store.pop("store_id")): {column: value * clones for column, value in store.items()}
                for store in by_turnover[:5]
            },
            "sha256": sha256,
        }
        return summary | ({"clones": clones} if clones > 1 else {})


_CARD_COLUMNS = [
    "household_id",
    "card_no",
    "card_type",
    "balance",
    "points",
    "approved_n",
    "approved_c",
    "reversed_n",
    "reversed_c",
    "recharge_n",
    "recharge_c",
    *("declined_" + decline for decline in DECLINES),
]
_APPROVED_COLUMN = _CARD_COLUMNS.index("approved_c")
_REVERSED_COLUMN = _CARD_COLUMNS.index("reversed_c")
_TXN_COLUMNS = [
    "basket_id",
    "household_id",
    "store_id",
    "local_date",
    "resp",
    "due",
    "discount",
    "points",
    "balance_after",
    "reversed",
]


def _whole_points(what: str, hundredths: int) -> int:
    points, rest = divmod(hundredths, HUNDREDTHS_PER_POINT)
    if rest:
        raise ReplayError(f"{what}: expected whole points, got {hundredths} hundredths")
    return points


def _total_rows(places: Any, columns: list[str]) -> Iterable[Row]:
    return ([place, *(places[place][column] for column in columns)] for place in sorted(places))


def _as_dicts(table: list[Row]) -> list[dict[str, Any]]:
    head, *rows = table
    return [dict(zip(head, row, strict=True)) for row in rows]
