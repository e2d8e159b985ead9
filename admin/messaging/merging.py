"""Merge fields: what stands in braces in a text and is another word for each member."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.access import mask_number
from admin.errors import RefusedError
from admin.i18n import money, points
from admin.members.holdings import owners
from admin.members.identity import show_day
from admin.models.members import Member, MemberLevel
from admin.models.mirror import accounts, cards, organisations

_ = str
FIELD = re.compile(r"\{([^{}\n]{1,20})\}")
SEX_WORDS = {1: "先生", 2: "女士"}


@dataclass(frozen=True, slots=True)
class MergeField:
    """A field of texts."""

    key: str
    label: str
    chinese: str
    """The other name that it may be written by."""
    is_of_purchase: bool = False
    """Whether only a purchase fills it."""


FIELDS: dict[str, MergeField] = {
    field.key: field
    for field in (
        MergeField("name", _("Full name"), "姓名"),
        MergeField("title", _("Mr or Ms, in Chinese"), "称呼"),
        MergeField("member", _("Member number"), "会员号"),
        MergeField("card", _("Card number, masked"), "卡号"),
        MergeField("balance", _("Balance"), "余额"),
        MergeField("points", _("Points"), "积分"),
        MergeField("level", _("Level"), "等级"),
        MergeField("store", _("Store that owns the record"), "门店"),
        MergeField("birthday", _("Birthday"), "生日"),
        MergeField("amount", _("Amount of the purchase"), "金额", is_of_purchase=True),
        MergeField("shop", _("Store of the purchase"), "消费门店", is_of_purchase=True),
        MergeField("time", _("Time of the purchase"), "时间", is_of_purchase=True),
    )
}
_BY_NAME = {field.key: field for field in FIELDS.values()} | {field.chinese: field for field in FIELDS.values()}
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Merged:
    """A text for one member."""

    text: str
    missing: tuple[str, ...]
    """Keys of fields that the member has nothing for."""


def fields_in(body: str) -> list[MergeField]:
    """Fields of a text, each once; `RefusedError` names one that there is not."""
    found = []
    for name in FIELD.findall(body):
        field = _BY_NAME.get(name.strip())
        if field is None:
            raise RefusedError("There is no merge field {name}; those in the list can be used.", name=f"{{{name}}}")
        if field not in found:
            found.append(field)
    return found


def merged(body: str, values: Values) -> Merged:
    """The text with a member's values in the place of fields."""
    missing: list[str] = []

    def put(match: re.Match[str]) -> str:
        field = _BY_NAME.get(match[1].strip())
        value = values.get(field.key, "") if field else ""
        if field and not value and field.key not in missing:
            missing.append(field.key)
        return value

    return Merged(FIELD.sub(put, body), tuple(missing))


def values_of(
    session: Session, members: Sequence[Member], fields: Iterable[MergeField], currency: str
) -> dict[int, dict[str, str]]:
    """What some fields are for some members, by member; one question for each table, however many members."""
    keys = {field.key for field in fields}
    numbers = [member.id for member in members]
    found: dict[int, dict[str, str]] = {
        member.id: {
            "name": member.name,
            "title": SEX_WORDS.get(member.sex, ""),
            "member": str(member.id),
            "birthday": show_day(member.birth_date)[5:],
        }
        for member in members
    }
    if keys & {"balance", "points", "card"} and numbers:
        _put_accounts(session, numbers, found, currency)
    if "level" in keys:
        names = dict(session.execute(select(MemberLevel.id, MemberLevel.name)).tuples())
        for member in members:
            found[member.id]["level"] = names.get(member.level_id or 0, "")
    if "store" in keys:
        places = {
            int(number): name
            for number, name in session.execute(select(organisations.c.organisation_id, organisations.c.name))
        }
        for member in members:
            found[member.id]["store"] = places.get(member.organisation_id, "")
    return found


def _put_accounts(session: Session, numbers: list[int], found: dict[int, dict[str, str]], currency: str) -> None:
    held = owners(numbers)
    sums = (
        select(held.c.member_id, func.sum(accounts.c.balance_minor), func.sum(accounts.c.points_hundredths))
        .join(accounts, accounts.c.account_number == held.c.account_number)
        .group_by(held.c.member_id)
    )
    for member_id, balance_minor, points_hundredths in session.execute(sums):
        found[member_id]["balance"] = money(int(balance_minor), currency)
        found[member_id]["points"] = points(int(points_hundredths))
    first = (
        select(held.c.member_id, cards.c.card_number)
        .join(cards, cards.c.account_number == held.c.account_number)
        .order_by(cards.c.card_number.desc())
    )
    for member_id, number in session.execute(first):
        found[member_id]["card"] = mask_number(str(number))
