"""Members, what they are found and grouped by, and who holds which account.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


FIRST_NUMBER = 1_000_001
"""Seven digits: shorter than a telephone number or a card, so that each is known by its length."""
PROVINCES = (
    "11 北京 Beijing; 12 天津 Tianjin; 13 河北 Hebei; 14 山西 Shanxi; "
    "15 内蒙古 Inner Mongolia; 21 辽宁 Liaoning; 22 吉林 Jilin; "
    "23 黑龙江 Heilongjiang; 31 上海 Shanghai; 32 江苏 Jiangsu; "
    "33 浙江 Zhejiang; 34 安徽 Anhui; 35 福建 Fujian; 36 江西 Jiangxi; "
    "37 山东 Shandong; 41 河南 Henan; 42 湖北 Hubei; 43 湖南 Hunan; "
    "44 广东 Guangdong; 45 广西 Guangxi; 46 海南 Hainan; "
    "50 重庆 Chongqing; 51 四川 Sichuan; 52 贵州 Guizhou; "
    "53 云南 Yunnan; 54 西藏 Tibet; 61 陕西 Shaanxi; 62 甘肃 Gansu; "
    "63 青海 Qinghai; 64 宁夏 Ningxia; 65 新疆 Xinjiang; 71 台湾 Taiwan; "
    "81 香港 Hong Kong; 82 澳门 Macau"
)
CODES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "class": ((1, "一般客户", "Ordinary"), (2, "重要客户", "Important")),
    "detail-class": (
        (1, "一般客户", "Ordinary household"),
        (2, "公寓客户", "Apartment household"),
        (3, "别墅客户", "Villa household"),
    ),
    "education": (  # GB/T 4658, main groups
        (10, "研究生", "Postgraduate"),
        (20, "大学本科", "University degree"),
        (30, "大学专科", "College"),
        (40, "中等职业教育", "Vocational school"),
        (60, "普通高级中学", "Senior secondary school"),
        (70, "初级中学", "Junior secondary school"),
        (80, "小学", "Primary school"),
        (90, "其他", "Other"),
    ),
    "occupation": (  # GB/T 6565, main groups
        (1, "负责人", "Leader of an organisation"),
        (2, "专业技术人员", "Professional"),
        (3, "办事人员", "Clerk"),
        (4, "商业、服务业人员", "Trade and services"),
        (5, "农、林、牧、渔业人员", "Farming and fishing"),
        (6, "生产制造人员", "Manufacturing"),
        (7, "军人", "Armed forces"),
        (8, "学生", "Student"),
        (9, "退休", "Retired"),
        (10, "其他", "Other"),
    ),
    "industry": (  # GB/T 4754, sections
        (1, "农、林、牧、渔业", "Agriculture"),
        (2, "采矿业", "Mining"),
        (3, "制造业", "Manufacturing"),
        (4, "电力、热力、燃气及水", "Energy and water"),
        (5, "建筑业", "Construction"),
        (6, "批发和零售业", "Wholesale and retail"),
        (7, "交通运输、仓储和邮政", "Transport and post"),
        (8, "住宿和餐饮业", "Hotels and restaurants"),
        (9, "信息技术服务业", "Information technology"),
        (10, "金融业", "Finance"),
        (11, "房地产业", "Real estate"),
        (12, "租赁和商务服务业", "Business services"),
        (13, "科学研究和技术服务业", "Research and technical services"),
        (14, "水利、环境和公共设施管理", "Public utilities"),
        (15, "居民服务业", "Personal services"),
        (16, "教育", "Education"),
        (17, "卫生和社会工作", "Health and social work"),
        (18, "文化、体育和娱乐业", "Culture, sports, entertainment"),
        (19, "公共管理和社会组织", "Public administration"),
    ),
    "region": tuple(  # GB/T 2260, provinces
        (int(row.split()[0]) * 10_000, row.split()[1], " ".join(row.split()[2:])) for row in PROVINCES.split("; ")
    ),
    "interest": (
        (0, "美食", "Food"),
        (1, "运动", "Sports"),
        (2, "旅游", "Travel"),
        (3, "阅读", "Reading"),
        (4, "音乐", "Music"),
        (5, "时装", "Fashion"),
        (6, "美容", "Beauty"),
        (7, "母婴", "Baby and child"),
        (8, "家居", "Home"),
        (9, "数码", "Electronics"),
        (10, "汽车", "Cars"),
        (11, "宠物", "Pets"),
    ),
    "relation": (
        (1, "配偶", "Spouse"),
        (2, "子女", "Child"),
        (3, "父母", "Parent"),
        (4, "其他亲属", "Other relative"),
        (5, "员工", "Employee"),
        (6, "其他", "Other"),
    ),
    "churn": (
        (1, "价格", "Price"),
        (2, "服务", "Service"),
        (3, "商品", "Goods"),
        (4, "搬迁", "Moved away"),
        (5, "竞争对手", "Went to a competitor"),
        (6, "其他", "Other"),
    ),
}
"""What a new installation begins with: (code, Chinese, English) by code table; operators change and add."""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "account_days",
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("business_date", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("spent_minor", columns.BigInt, nullable=False),
        sa.Column("visit_count", sa.Integer(), nullable=False),
        sa.Column("points_hundredths", columns.BigInt, nullable=False),
        sa.Column("recharged_minor", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("account_number", "business_date", name=op.f("pk_account_days")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_account_days_date", "account_days", ["business_date"])

    op.create_table(
        "account_days_positions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_id", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_days_positions")),
    )
    op.create_table(
        "member_cards",
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("switch_member", columns.UnsignedBig(), nullable=False),
        sa.Column("linked_at", columns.Moment(), nullable=False),
        sa.Column("linked_by", columns.BigInt, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("account_number", name=op.f("pk_member_cards")),
    )
    op.create_index("ix_member_cards_member", "member_cards", ["member_id"])

    op.create_table(
        "member_codes",
        sa.Column("table_name", sa.String(length=20), nullable=False),
        sa.Column("code", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name_zh", sa.String(length=80), nullable=False),
        sa.Column("name_en", sa.String(length=80), nullable=False),
        sa.Column("is_offered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "code", name=op.f("pk_member_codes")),
    )
    op.create_table(
        "member_fields",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("choices", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("is_offered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_fields")),
        sa.UniqueConstraint("name", name=op.f("uq_member_fields_name")),
    )
    op.create_table(
        "member_groups",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("frozen_from_id", columns.BigInt, nullable=True),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["frozen_from_id"], ["member_groups.id"], name=op.f("fk_member_groups_frozen_from_id_member_groups")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_groups")),
    )
    op.create_table(
        "member_imports",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("duplicates", sa.String(length=10), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("added_count", sa.Integer(), nullable=False),
        sa.Column("changed_count", sa.Integer(), nullable=False),
        sa.Column("skipped_count", sa.Integer(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.Column("done_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_imports")),
    )
    op.create_index(op.f("ix_member_imports_digest"), "member_imports", ["digest"])

    op.create_table(
        "member_keys",
        sa.Column("key", sa.LargeBinary(length=26), nullable=False),
        sa.Column("member_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "member_id", name=op.f("pk_member_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "member_levels",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("switch_level", sa.Integer(), nullable=False),
        sa.Column("period_days", sa.Integer(), nullable=False),
        sa.Column("spent_minor_min", columns.BigInt, nullable=False),
        sa.Column("points_hundredths_min", columns.BigInt, nullable=False),
        sa.Column("visits_min", sa.Integer(), nullable=False),
        sa.Column("needs_all", sa.Boolean(), nullable=False),
        sa.Column("moves_down", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_levels")),
        sa.UniqueConstraint("name", name=op.f("uq_member_levels_name")),
        sa.UniqueConstraint("rank", name=op.f("uq_member_levels_rank")),
    )
    op.create_table(
        "member_numbers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_number", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_numbers")),
    )
    op.create_table(
        "members",
        sa.Column("id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("merged_into_id", columns.BigInt, nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("sex", sa.Integer(), nullable=False),
        sa.Column("birth_date", sa.Integer(), nullable=False),
        sa.Column("birth_day", sa.Integer(), nullable=False),
        sa.Column("id_kind", sa.Integer(), nullable=False),
        sa.Column("id_sealed", sa.LargeBinary(length=400), nullable=True),
        sa.Column("education", sa.Integer(), nullable=False),
        sa.Column("occupation", sa.Integer(), nullable=False),
        sa.Column("marital", sa.Integer(), nullable=False),
        sa.Column("anniversary_date", sa.Integer(), nullable=False),
        sa.Column("anniversary_day", sa.Integer(), nullable=False),
        sa.Column("household_size", sa.Integer(), nullable=False),
        sa.Column("region", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("postcode", sa.String(length=10), nullable=False),
        sa.Column("industry", sa.Integer(), nullable=False),
        sa.Column("company", sa.String(length=200), nullable=False),
        sa.Column("position", sa.String(length=80), nullable=False),
        sa.Column("work_address", sa.String(length=200), nullable=False),
        sa.Column("vehicle_plate", sa.String(length=20), nullable=False),
        sa.Column("vehicle_model", sa.String(length=80), nullable=False),
        sa.Column("interests", columns.BigInt, nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("preferences", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("member_class", sa.Integer(), nullable=False),
        sa.Column("detail_class", sa.Integer(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("manager_id", columns.BigInt, nullable=True),
        sa.Column("level_id", columns.BigInt, nullable=True),
        sa.Column("level_held_until", sa.Integer(), nullable=False),
        sa.Column("primary_id", columns.BigInt, nullable=True),
        sa.Column("relation", sa.Integer(), nullable=False),
        sa.Column("import_id", columns.BigInt, nullable=True),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["member_imports.id"], name=op.f("fk_members_import_id_member_imports")),
        sa.ForeignKeyConstraint(["level_id"], ["member_levels.id"], name=op.f("fk_members_level_id_member_levels")),
        sa.ForeignKeyConstraint(["manager_id"], ["users.id"], name=op.f("fk_members_manager_id_users")),
        sa.ForeignKeyConstraint(["merged_into_id"], ["members.id"], name=op.f("fk_members_merged_into_id_members")),
        sa.ForeignKeyConstraint(["primary_id"], ["members.id"], name=op.f("fk_members_primary_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("code", name=op.f("uq_members_code")),
    )
    op.create_index("ix_members_anniversary_day", "members", ["anniversary_day", "id"])
    op.create_index("ix_members_birth_day", "members", ["birth_day", "id"])
    op.create_index("ix_members_class", "members", ["member_class", "id"])
    op.create_index("ix_members_industry", "members", ["industry", "id"])
    op.create_index("ix_members_level", "members", ["level_id", "id"])
    op.create_index("ix_members_merged_into_id", "members", ["merged_into_id"])
    op.create_index("ix_members_organisation", "members", ["organisation_id", "id"])
    op.create_index("ix_members_primary_id", "members", ["primary_id"])
    op.create_index("ix_members_region", "members", ["region", "id"])
    op.create_index("ix_members_source", "members", ["source", "id"])
    op.create_index("ix_members_state", "members", ["state", "id"])

    op.create_table(
        "member_churns",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("product", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_churns_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_churns")),
    )
    op.create_index("ix_member_churns_member", "member_churns", ["member_id"])
    op.create_index("ix_member_churns_stage", "member_churns", ["stage", "id"])

    op.create_table(
        "member_contact_entries",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("time", columns.Moment(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("is_incoming", sa.Boolean(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("satisfaction", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_contact_entries_member_id_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_contact_entries")),
    )
    op.create_index("ix_member_contact_entries_member", "member_contact_entries", ["member_id", "id"])
    op.create_index("ix_member_contact_entries_open", "member_contact_entries", ["is_open", "id"])

    op.create_table(
        "member_contacts",
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("value_sealed", sa.LargeBinary(length=400), nullable=False),
        sa.Column("is_preferred", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_contacts_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", "place", name=op.f("pk_member_contacts")),
    )
    op.create_table(
        "member_group_entries",
        sa.Column("group_id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["member_groups.id"],
            name=op.f("fk_member_group_entries_group_id_member_groups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_group_entries_member_id_members")),
        sa.PrimaryKeyConstraint("group_id", "member_id", name=op.f("pk_member_group_entries")),
    )
    op.create_index("ix_member_group_entries_member", "member_group_entries", ["member_id"])

    op.create_table(
        "member_level_changes",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("time", columns.Moment(), nullable=False),
        sa.Column("old_level_id", columns.BigInt, nullable=True),
        sa.Column("new_level_id", columns.BigInt, nullable=True),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("held_until", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_level_changes_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_level_changes")),
    )
    op.create_index("ix_member_level_changes_member", "member_level_changes", ["member_id", "id"])

    op.create_table(
        "member_merges",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("survivor_id", columns.BigInt, nullable=False),
        sa.Column("merged_id", columns.BigInt, nullable=False),
        sa.Column("moved", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.Column("undone_at", columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["merged_id"], ["members.id"], name=op.f("fk_member_merges_merged_id_members")),
        sa.ForeignKeyConstraint(["survivor_id"], ["members.id"], name=op.f("fk_member_merges_survivor_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_merges")),
    )
    op.create_index(op.f("ix_member_merges_merged_id"), "member_merges", ["merged_id"])
    op.create_index(op.f("ix_member_merges_survivor_id"), "member_merges", ["survivor_id"])

    op.create_table(
        "member_relatives",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("relation", sa.Integer(), nullable=False),
        sa.Column("birth_date", sa.Integer(), nullable=False),
        sa.Column("birth_day", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_relatives_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_relatives")),
    )
    op.create_index(op.f("ix_member_relatives_birth_day"), "member_relatives", ["birth_day"])
    op.create_index(op.f("ix_member_relatives_member_id"), "member_relatives", ["member_id"])

    op.create_table(
        "member_tags",
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("tag", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_tags_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", "tag", name=op.f("pk_member_tags")),
    )
    op.create_index("ix_member_tags_tag", "member_tags", ["tag", "member_id"])

    op.create_table(
        "member_values",
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("field_id", columns.BigInt, nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("number", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["field_id"], ["member_fields.id"], name=op.f("fk_member_values_field_id_member_fields")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_values_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", "field_id", name=op.f("pk_member_values")),
    )
    op.create_index("ix_member_values_number", "member_values", ["field_id", "number"])
    op.create_index("ix_member_values_text", "member_values", ["field_id", "text"])
    codes = sa.table(
        "member_codes",
        *(sa.column(name) for name in ("table_name", "code", "name_zh", "name_en", "is_offered")),
    )
    op.bulk_insert(
        codes,
        [
            {"table_name": table, "code": code, "name_zh": zh, "name_en": en, "is_offered": True}
            for table, rows in CODES.items()
            for code, zh, en in rows
        ],
    )
    numbers = sa.table("member_numbers", sa.column("id"), sa.column("next_number"))
    op.bulk_insert(numbers, [{"id": 1, "next_number": FIRST_NUMBER}])
    positions = sa.table("account_days_positions", sa.column("id"), sa.column("entry_id"))
    op.bulk_insert(positions, [{"id": 1, "entry_id": 0}])


def downgrade() -> None:
    """Take back."""
    for table in (
        "member_values",
        "member_tags",
        "member_relatives",
        "member_merges",
        "member_level_changes",
        "member_group_entries",
        "member_contacts",
        "member_contact_entries",
        "member_churns",
        "members",
        "member_numbers",
        "member_levels",
        "member_keys",
        "member_imports",
        "member_groups",
        "member_fields",
        "member_codes",
        "member_cards",
        "account_days_positions",
        "account_days",
    ):
        op.drop_table(table)
