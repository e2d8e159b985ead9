"""Made-up members in bulk, as an import would write them: names, mobiles, search keys; for measuring pages."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, LargeBinary, MetaData, Table, insert, select

from admin.database import BigInt, to_ms
from admin.members import drafts
from admin.members.seals import Vault
from admin.models.members import Member, MemberContact, member_keys
from admin.projection.bulk import insert_rows
from admin.service import Service

FIRST_MEMBER = 1_000_001
ROWS_AT_ONCE = 5_000
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀兰霞平刚桂英华玉萍红建国志文春梅海燕丹宇浩然子轩雨涵欣怡晨曦思佳"
REGIONS = (110000, 310000, 440000, 330000)
LOADED_KEYS = Table(
    "loaded_keys",
    MetaData(),
    Column("key", LargeBinary, nullable=False),
    Column("member_id", BigInt, nullable=False),
    prefixes=["TEMPORARY"],
)


def add_members(service: Service, count: int, seed: int) -> float:
    """Insert `count` members of the whole group; seconds taken."""
    vault, chance = Vault(service), random.Random(seed)
    base = drafts.draft_of(drafts.MemberForm(name="x", organisation_id=0), []).columns
    now = datetime.now(UTC)
    tables: tuple[Table, ...] = (Member.__table__, MemberContact.__table__, LOADED_KEYS)  # type: ignore[assignment]
    start_s = time.monotonic()
    with service.database.writer.connect() as connection:
        LOADED_KEYS.create(connection)
        connection.commit()
        for start in range(FIRST_MEMBER, FIRST_MEMBER + count, ROWS_AT_ONCE):
            made: list[drafts.NewRows] = []
            for number in range(start, min(start + ROWS_AT_ONCE, FIRST_MEMBER + count)):
                name = chance.choice(SURNAMES) + "".join(chance.choice(GIVEN) for _ in range(chance.choice((1, 2, 2))))
                columns = {**base, "name": name, "organisation_id": 0, "region": chance.choice(REGIONS)}
                mobile = f"1{chance.randrange(30, 99)}{number % 10**8:08d}"
                draft = drafts.Draft(columns, contacts={drafts.MOBILE_PLACE: ("mobile", mobile)})
                made.append(drafts.new_rows(vault, number, draft, state="active", now=now, user_id=1))
            members = [one.member for one in made]
            contacts = [part for one in made for part in one.contacts]
            keys = [part for one in made for part in one.keys]
            for table, rows in zip(tables, (members, contacts, keys), strict=True):
                insert_rows(connection, table, [_row(table, row) for row in rows])
            connection.commit()
        # In the order of the keys: each page of that table is then written once, and not for each of its rows.
        ordered = select(LOADED_KEYS).order_by(LOADED_KEYS.c.key, LOADED_KEYS.c.member_id)
        connection.execute(insert(member_keys).from_select(["key", "member_id"], ordered))
        LOADED_KEYS.drop(connection)
        connection.commit()
    return time.monotonic() - start_s


def _row(table: Table, values: dict[str, Any]) -> tuple[Any, ...]:
    """Values in the order of the columns, moments as they are stored."""
    row = (values.get(column.name) for column in table.columns)
    return tuple(to_ms(value) if isinstance(value, datetime) else value for value in row)
