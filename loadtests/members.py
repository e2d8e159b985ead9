"""Made-up members in bulk, as an import would write them: names, mobiles, search keys; for measuring pages."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from admin.members import drafts
from admin.members.seals import Vault
from admin.models.members import Member, MemberContact, member_keys
from admin.service import Service

FIRST_MEMBER = 1_000_001
ROWS_AT_ONCE = 5_000
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀兰霞平刚桂英华玉萍红建国志文春梅海燕丹宇浩然子轩雨涵欣怡晨曦思佳"
REGIONS = (110000, 310000, 440000, 330000)


def add_members(service: Service, count: int, seed: int) -> float:
    """Insert `count` members of the whole group; seconds taken."""
    vault, chance = Vault(service), random.Random(seed)
    base = drafts.draft_of(drafts.MemberForm(name="x", organisation_id=0), []).columns
    now = datetime.now(UTC)
    start_s = time.monotonic()
    for start in range(FIRST_MEMBER, FIRST_MEMBER + count, ROWS_AT_ONCE):
        members: list[dict[str, Any]] = []
        contacts: list[dict[str, Any]] = []
        keys: list[dict[str, Any]] = []
        for number in range(start, min(start + ROWS_AT_ONCE, FIRST_MEMBER + count)):
            name = chance.choice(SURNAMES) + "".join(chance.choice(GIVEN) for _ in range(chance.choice((1, 2, 2))))
            columns = {**base, "name": name, "organisation_id": 0, "region": chance.choice(REGIONS)}
            mobile = f"1{chance.randrange(30, 99)}{number % 10**8:08d}"
            draft = drafts.Draft(columns, contacts={drafts.MOBILE_PLACE: ("mobile", mobile)})
            made = drafts.new_rows(vault, number, draft, state="active", now=now, user_id=1)
            members.append(made.member)
            contacts += made.contacts
            keys += made.keys
        with service.database.write() as session:
            session.execute(insert(Member), members)
            session.execute(insert(MemberContact), contacts)
            session.execute(insert(member_keys), keys)
    return time.monotonic() - start_s
