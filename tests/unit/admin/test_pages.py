"""Lists, filters, paging, languages, settings, assets."""

import hashlib
import html
import re
from pathlib import Path

import msgspec
import pytest
from alembic import command
from litestar.testing import TestClient
from sqlalchemy import insert, select

from admin import i18n
from admin.app import create_app
from admin.card_search import conditions, digits_of, number_spans
from admin.database import to_signed
from admin.errors import SettingsError
from admin.messages import missing
from admin.migrating import _config, differences, is_current
from admin.models.journal import entries
from admin.models.mirror import cards
from admin.models.people import User
from admin.references import References
from admin.settings import Settings, read_settings, write_settings
from switch.protocol.messages import AlarmKind
from switch.protocol.records import AlarmRecord
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH_CARD, SOUTH_STORE, card

VENDOR = Path(i18n.__file__).parent / "static" / "vendor"


def put_entries(office, count, *, organisation_id, card_number, code=0):
    with office.database.writer.begin() as connection:
        for n in range(1, count + 1):
            sequence = n + organisation_id * 1000
            row = dict.fromkeys(entries.columns.keys(), 0) | {
                "id": sequence << 10,
                "sequence": sequence,
                "type": 0x10,
                "code": code,
                "card_number": card_number,
                "time_ms": office.world.now_ms,
                "business_date": 20_454,
                "amount_minor": 100 * n,
                "store_id": organisation_id,
                "accepting_organisation_id": organisation_id,
            }
            connection.execute(insert(entries).values(row))


def test_migrations_make_exactly_the_tables_of_the_models(database):
    assert is_current(database)
    assert differences(database) == []


def test_campaigns_that_were_loaded_for_reports_are_carried_into_those_of_operators_and_back(database):
    def step(command, revision):
        config = _config()
        with database.writer.connect() as connection:
            config.attributes["connection"] = connection
            command(config, revision)
            connection.commit()

    def rows(question):
        with database.writer.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(question)]

    def do(*statements):
        with database.writer.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    facts = "SELECT campaign_id, name, cost_minor FROM campaign_facts ORDER BY 1"
    targets = "SELECT campaign_id, account_number FROM campaign_targets ORDER BY 1, 2"
    step(command.downgrade, "0009")
    do(
        "INSERT INTO campaigns (name, from_date, until_date, store_ids, target, segment, ruleset, message, is_stopped,"
        " organisation_id, maker_id, made_at) VALUES ('Own', 10, 20, '', '', 3, 0, '', true, 1, 1, 0)",
        "INSERT INTO campaign_facts VALUES (1, 'May', 'mail', 30, 40, 5), (2, 'June', 'mail', 41, 50, 0)",
        "INSERT INTO campaign_targets VALUES (1, 77), (2, 77), (2, 78)",
        "INSERT INTO campaign_redemptions VALUES (2, 78, 3)",
    )
    step(command.upgrade, "head")
    assert rows("SELECT id, code, name, audience, from_date, stopped_date, cost_minor FROM campaigns ORDER BY id") == [
        (1, "", "Own", "segment", 10, 20, 0),
        (2, "1", "May", "list", 30, 0, 5),
        (3, "2", "June", "list", 41, 0, 0),
    ]
    assert rows(targets) == [(2, 77), (3, 77), (3, 78)]
    assert rows("SELECT * FROM campaign_redemptions") == [(3, 78, 3)]
    step(command.downgrade, "0009")
    assert rows(facts) == [(1, "May", 5), (2, "June", 0)] and rows(targets) == [(1, 77), (2, 77), (2, 78)]
    assert rows("SELECT name FROM campaigns WHERE is_stopped") == [("Own",)]


def test_entries_are_filtered_paged_and_scoped(office):
    office.put_two_regions()
    office.add_user("nora", "store-manager", organisation_id=NORTH)
    office.add_user("finn", "finance")
    put_entries(office, 120, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    put_entries(office, 3, organisation_id=SOUTH_STORE, card_number=SOUTH_CARD, code=51)
    with office.browser("nora") as browser:
        seen: list[str] = []
        address: str | None = "/entries"
        while address:
            page = browser.get(address).text
            seen += re.findall(r'<td class="number">(\d{5})</td>', page)
            found = re.search(r'<a href="(/entries\?[^"]*before=[^"]*)"', page)
            address = html.unescape(found[1]) if found else None
        assert seen == [str(n + NORTH_STORE * 1000) for n in range(120, 0, -1)]
    with office.browser("finn") as browser:
        refused = browser.get("/entries?code=51").text
        assert len(re.findall(r"<tr><td", refused)) == 3 and "31003" in refused
        approved = browser.get("/entries?code=0&store=31").text
        assert "No entries here" in approved
        assert browser.get("/entries?code=abc&before=x&store=" + "9" * 40).status_code == 200
        part = browser.get("/entries?code=51", **{"hx-request": "true", "hx-request-type": "partial"})
        assert "<html" not in part.text and "31003" in part.text


def test_cards_are_found_by_the_beginning_of_their_number_up_to_the_longest(database):
    numbers = [12_345_678, 1_234_567_890, 6222_0201_0003_4533, 2**63 - 1, 2**63, 9_999_999_999_999_999_999, 92_233_720]
    from admin.models.mirror import MIRRORS

    with database.writer.begin() as connection:
        for number in numbers:
            image = card(number, 0).encode()
            connection.execute(
                insert(cards).values(dict(zip(cards.columns.keys(), MIRRORS[2].row_of(image), strict=True)))
            )
    with database.read() as session:
        for typed in (
            "1",
            "12345678",
            "9223372036854775807",
            "92233720",
            "922337203685477580",
            "9",
            "99",
            "7",
            "0",
            "",
        ):
            query = select(cards.c.card_number).order_by(cards.c.card_number)
            spans = conditions(cards.c.card_number, typed, sees_unmasked=True)
            found = [number for span in spans for number in session.scalars(query.where(span))]
            wanted = [number for number in numbers if typed and str(number).startswith(typed)]
            assert found == sorted(wanted, key=to_signed), typed


def test_what_is_typed_becomes_spans_of_numbers():
    assert number_spans("6222")[0] == (62_220_000, 62_229_999)
    assert digits_of(" 6222 0201-0003 ") == "622202010003" and digits_of("６２２２") == "" and digits_of("62a") == ""


def test_references_lead_back_and_cannot_be_made_up():
    references = References(bytes(range(32)))
    for number in (10**7, NORTH_CARD, 2**64 - 1):
        assert references.read(references.make(number)) == number
    assert references.make(1) != References(bytes(32)).make(1)
    for wrong in ("", "a", "a" * 26, "!" * 26, str(NORTH_CARD), "é" * 26):
        assert references.read(wrong) is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_pages_speak_both_languages_and_the_choice_is_kept(office):
    office.add_user("finn", "finance")
    with office.browser() as browser:
        assert "Sign on" in browser.get("/login").text
        assert "登录" in browser.get("/login", **{"accept-language": "zh-CN,zh;q=0.9"}).text
        assert browser.get("/language/zh?back=/login").headers["location"] == "/login"
        page = browser.get("/login").text
        assert "登录" in page and 'lang="zh-CN"' in page and "Sign on" not in page
        assert browser.get("/language/zh?back=//evil.example").headers["location"] == "/"


def test_every_text_has_a_translation():
    assert missing("zh") == []


def test_amounts_and_dates_are_written_as_each_language_does():
    i18n.locale_now.set("zh")
    assert (i18n.money(-123456), i18n.points(250), i18n.day(20_454)) == ("-¥1,234.56", "2.50", "2026年1月1日")
    i18n.locale_now.set("en")
    assert (i18n.money(5), i18n.number(1234567), i18n.day(0)) == ("CN¥0.05", "1,234,567", "")
    assert i18n.money(2**62 + 1).endswith("387,905.00") or i18n.money(2**62 + 1)


def test_settings_come_from_file_and_environment_and_refuse_what_is_not_there(tmp_path):
    path = tmp_path / "admin.toml"
    settings = Settings(data=str(tmp_path), switch_port=7000, is_https=True, currency="EUR")
    write_settings(path, settings)
    assert read_settings(path, {}) == settings
    assert read_settings(path, {"CARDSWITCH_ADMIN_SWITCH_PORT": "7001"}).switch_port == 7001
    path.write_text("swich_port = 1\n")
    with pytest.raises(SettingsError, match="swich_port"):
        read_settings(path, {})
    with pytest.raises(SettingsError, match="expected a settings file"):
        read_settings(tmp_path / "none.toml", {})


def test_files_of_others_are_what_they_were():
    sums = [line.split() for line in (VENDOR / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in sums} == {
        str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file() and path.name != "SHA256SUMS"
    }
    assert all(hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest for digest, name in sums)


def test_pages_ask_nobody_else_for_anything():
    own = Path(i18n.__file__).parent
    for path in [*own.glob("templates/*.html"), *own.glob("static/own/*")]:
        assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", path.read_text()), path
        assert not re.search(r"""\s(style|on\w+)=["']""", path.read_text()), path  # the CSP would drop it


@pytest.mark.feature("K3-007", "K3-008", "K3-009")
def test_departments_are_made_renamed_and_deleted_when_nobody_is_in_them(office):
    office.put_two_regions()
    office.add_user("hugo", "hq-supervisor")
    office.add_user("boss", "administrator", totp=True)
    with office.browser("hugo") as browser:
        there = "/organisation"
        fields = {"name": "客服", "organisation_id": NORTH}
        assert browser.post("/departments", fields, page=there).headers["location"] == there
        assert "already" in browser.post("/departments", fields, page=there).text
        assert browser.post("/departments/1", {"name": "客户服务"}, page=there).status_code == 303
        page = browser.get(there).text
        assert "客户服务" in page and str(NORTH_STORE) in page
    with office.browser("boss") as browser:
        user = {"name": "finn", "full_name": "Finn", "organisation_id": NORTH, "department_id": 1}
        user |= {"roles": ["finance"], "password": "correct horse battery staple"}
        assert browser.post("/users/new", user).headers["location"] == "/users/3"
    with office.browser("hugo") as browser:
        refused = browser.post("/departments/1/delete", {}, page=there)
        assert refused.status_code == 409 and "1 users belong" in refused.text
        with office.database.write() as session:
            session.get(User, 3).department_id = None
        assert browser.post("/departments/1/delete", {}, page=there).status_code == 303
        assert "客户服务" not in browser.get(there).text


def test_the_tree_is_shown_from_the_top_down(office):
    office.put_two_regions()
    office.add_user("nora", "hq-supervisor", organisation_id=NORTH)
    office.add_user("hugo", "hq-supervisor")
    numbers = r'<td class="number">(\d+)</td>(?:</tr>|<td>)'
    with office.browser("hugo") as browser:
        tree = browser.get("/organisation").text.partition("<main")[2].partition("Stores</h2>")[0]
        assert re.findall(numbers, tree) == ["1", "2", "21", "3", "31"]
    with office.browser("nora") as browser:
        tree = browser.get("/organisation").text.partition("<main")[2].partition("Stores</h2>")[0]
        assert re.findall(numbers, tree) == ["2", "21"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_metrics_are_closed_unless_somebody_opens_them(office, tmp_path):
    with office.browser() as browser:
        assert browser.get("/metrics").status_code == 404
    opened = create_app(
        msgspec.structs.replace(office.settings, is_metrics_open=True), office.database, office.world.surroundings()
    )
    with TestClient(opened) as client:
        client.get("/cards/" + "a" * 26)
        text = client.get("/metrics").text
    assert 'path="/cards/{reference}"' in text and "a" * 26 not in text


def test_alarms_of_a_store_are_seen_by_its_people_and_by_nobody_elsewhere(office):
    office.put_two_regions()
    office.add_user("nora", "store-manager", organisation_id=NORTH)
    office.add_user("sue", "security")
    kept = {"alarm": AlarmKind.CLONE, "second_ms": office.world.now_ms}
    office.put(
        AlarmRecord(sequence=9, state=1, card_number=NORTH_CARD, first_store_id=NORTH_STORE, **kept),
        AlarmRecord(sequence=10, state=2, card_number=SOUTH_CARD, first_store_id=SOUTH_STORE, **kept),
    )
    with office.browser("sue") as browser:
        page = browser.get("/alarms").text
        assert page.index(str(SOUTH_CARD)) < page.index(str(NORTH_CARD))
        acknowledged = browser.get("/alarms?stage=2").text.partition('id="results"')[2]  # below the monitor
        assert str(SOUTH_CARD) in acknowledged and str(NORTH_CARD) not in acknowledged
    with office.browser("nora") as browser:
        page = browser.get("/alarms").text
        assert "622202******4533" in page and "622202******3228" not in page
