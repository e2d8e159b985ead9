"""Card types through pages: written, submitted, approved by somebody else, frozen in use, new versions, lists."""

import os
import struct
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from admin.documents.terminals import link_of
from admin.models.documents import DocumentStep
from admin.models.mirror import card_types, type_states
from admin.models.people import User
from switch._clock import now_ms
from switch.protocol.card_terms import CardTypeFlag, TypeState
from switch.protocol.layout import layout_of
from switch.protocol.messages import MessageType, OrganisationNode, PutCardTypeRequest, PutOrganisationRequest, Reply
from tests.support.admin_card_desk import approve, authorise, document_of, make_type, order, preview, words

TOMORROW = (date(1970, 1, 1) + timedelta(days=now_ms() // 86_400_000 + 1)).isoformat()


@pytest.fixture
def people(shop):
    """Two supervisors at their browsers."""
    for name in ("maria", "chen"):
        shop.add_user(name, "hq-supervisor", totp=True)
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        yield maria, chen


def state_of(shop, code):
    with shop.database.read() as session:
        return session.scalar(select(type_states.c.state).where(type_states.c.code == code))


def version_of(shop, code, from_date=0):
    with shop.database.read() as session:
        query = select(card_types).where(card_types.c.code == code, card_types.c.from_date == from_date)
        return session.execute(query).one()


@pytest.mark.feature("HD-068", "EF-043", "GJ-006", "GJ-090", "VC-100", "K3-087", "GJ-019")
def test_a_type_is_written_by_one_and_approved_by_another(shop, people):
    maria, chen = people
    order(maria, "write-card-type", code=20, name="金卡", functions=["1", "2"], level=3, validity_days=365)
    assert state_of(shop, 20) == TypeState.DRAFT
    assert "金卡" in maria.get("/card-types?stage=1").text and "金卡" not in maria.get("/card-types?stage=3").text
    early = preview(chen, "approve-card-type", code=20)
    assert "in another state" in early
    order(maria, "write-card-type", code=20, name="金卡", functions=["1", "2"], level=3, validity_days=730)
    assert version_of(shop, 20).validity_days == 730
    blanks = {"card_type": 20, "first": 6222_2000_0000_0001}
    authorise(shop, "chen", shop.visitor("maria").user_id, 20)
    assert "Choose one of the list." in preview(maria, "make-cards", **blanks)  # no blanks of what is not approved
    order(maria, "submit-card-type", code=20)
    page = words(chen.get("/card-types/20").text)
    assert "Submitted" in page and "Author: Maria" in page and "730" in page
    assert "send it back" in preview(maria, "write-card-type", code=20, name="x", functions=["2"])
    order(chen, "return-card-type", code=20)
    order(maria, "submit-card-type", code=20)
    assert "nobody approves a type that he wrote himself" in preview(maria, "approve-card-type", code=20)
    order(chen, "approve-card-type", code=20)
    assert state_of(shop, 20) == TypeState.APPROVED
    assert 'name="digest"' in preview(maria, "make-cards", **blanks)
    undone = order(chen, "suspend-card-type", code=20)
    assert state_of(shop, 20) == TypeState.SUSPENDED
    back = chen.post(f"{undone}/undo", page=undone).headers["location"]
    assert state_of(shop, 20) == TypeState.SUSPENDED  # a second person must agree
    approve(maria, back)
    assert state_of(shop, 20) == TypeState.APPROVED
    place = order(chen, "retire-card-type", code=20)
    approve(maria, place)
    assert state_of(shop, 20) == TypeState.RETIRED
    assert "retired" in preview(maria, "write-card-type", code=20, name="x", functions=["2"])


@pytest.mark.feature("HD-023", "HD-028", "GJ-016", "GJ-020", "GJ-021", "GJ-022")
@pytest.mark.parametrize(
    ("code", "terms", "expected"),
    [
        (41, {"functions": ["1"], "medium": "1", "level": "1"}, {"functions": 1, "medium": 1, "level": 1}),
        (42, {"functions": ["2"], "medium": "5", "level": "2"}, {"functions": 2, "medium": 5, "level": 2}),
        (43, {"functions": ["1", "8"], "discount_bp": "5.5", "level": "4"}, {"discount_bp": 550, "level": 4}),
        (44, {"functions": ["32"], "card_flags": ["256"]}, {"functions": 32, "flags": int(CardTypeFlag.ONE_TIME)}),
        (45, {"functions": ["16"], "relation": "3", "card_cost_minor": "1.25"}, {"card_cost_minor": 125}),
    ],
)  # fmt: skip
def test_types_of_every_kind_are_set_up_without_a_change_of_code(shop, people, code, terms, expected):
    maria, chen = people
    order(maria, "write-card-type", code=code, name=f"Type {code}", **terms)
    version = version_of(shop, code)
    assert {name: getattr(version, name) for name in expected} == expected
    page = words(chen.get(f"/card-types/{code}").text)
    assert f"{code} Type {code}" in page and "Draft" in page


def test_every_field_of_the_editor_reaches_the_switch_and_comes_back(shop, people):
    maria, _ = people
    fees = ("issue", "joining", "replace", "swap", "report_loss", "restore", "return", "renew", "annual",
            "supplementary_annual", "service", "other")  # fmt: skip
    terms = {
        "functions": ["1", "2", "8"], "medium": "2", "relation": "2", "level": "7", "validity_days": "90",
        "card_flags": ["128", "512", "1024", "2048"], "payment_flags": ["1", "4096"], "points_flags": ["2", "64"],
        "pin_tries_max": "5", "card_cost_minor": "2.50", "number_digits": "16", "number_prefix": "6222",
        "face_minor_min": "10", "face_minor_max": "500", "single_minor_max": "100", "daily_minor_max": "200",
        "daily_count_max": "9", "recharge_day_minor_max": "300", "recharge_count_max": "3", "ceiling_minor": "1000",
        "hold_s_max": "3600", "discount_bp": "12.34", "price_class": "2", "points_percent": "150",
        "points_per_unit": "2", "daily_points_max_hundredths": "50", "auto_mode": "1", "auto_add_minor": "20",
        "auto_below_minor": "5", "auto_count_max": "1", "fees_from_balance": ["1", "4"], "fees_waivable": ["2"],
        **{f"fee_{name}_minor": f"{n}.00" for n, name in enumerate(fees, 1)},
    }  # fmt: skip
    order(maria, "write-card-type", code=60, name="Alles", **terms)
    version = version_of(shop, 60)
    assert (version.flags, version.functions, version.number_prefix) == (
        128 + 512 + 1024 + 2048 + 1 + 4096 + 2 + 64,
        11,
        6222,
    )
    assert (version.face_minor_min, version.face_minor_max, version.ceiling_minor) == (1000, 50_000, 100_000)
    assert (version.discount_bp, version.daily_points_max_hundredths, version.hold_s_max) == (1234, 5000, 3600)
    assert struct.unpack("<12I", version.fees_minor) == (100, 200, 300, 500, 600, 700, 800, 900, 1000, 1100, 400, 1200)
    page = maria.get("/card-types/60").text
    link = next(part for part in page.split('"') if part.startswith("/documents/new/write-card-type?"))
    form = maria.get(link.replace("&amp;", "&")).text
    for name, value in (("discount_bp", "12.34"), ("number_prefix", "6222"), ("fee_other_minor", "12.00")):
        assert f'name="{name}"' in form and f'value="{value}"' in form
    wrong = preview(
        maria, "write-card-type", code=61, name="x", functions=["2", "32"], face_minor_min="5", face_minor_max="1"
    )
    assert "A recharge card has no other function." in wrong and "below the least one" in wrong


def test_in_use_parts_freeze_and_the_rest_changes_by_a_version_that_a_second_person_agrees_to(shop, people):
    maria, chen = people
    make_type(maria, chen, 21, medium="2", discount_bp="1")
    with shop.database.read() as session:
        user_id = session.scalar(select(User.id).where(User.name == "maria"))
    authorise(shop, "chen", user_id, 21)
    order(maria, "make-cards", card_type=21, first=6222_2100_0000_0001)
    frozen = preview(
        maria, "write-card-type", code=21, name="Type 21", medium="1", functions=["1", "2", "4"], from_date=TOMORROW
    )
    assert "Medium cannot change any more" in words(frozen)
    today = preview(maria, "write-card-type", code=21, name="Type 21", medium="2", functions=["1", "2", "4"])
    assert "from a day after today on" in words(today)
    place = order(
        maria,
        "write-card-type",
        code=21,
        name="Type 21",
        medium="2",
        functions=["1", "2", "4"],
        from_date=TOMORROW,
        discount_bp="3",
    )
    assert "Waits for a second person" in maria.get(place).text
    approve(chen, place)
    page = words(chen.get("/card-types/21").text)
    assert "To come" in page and "Discount, percent 1.00 3.00" in page and "In use" in page
    retire = order(chen, "retire-card-type", code=21)
    approve(maria, retire)  # a made card is not alive yet, so it may be retired
    assert document_of(shop, retire).state in ("done", "partly")


def test_stores_and_operators_stand_on_the_lists_of_a_type(shop, people):
    maria, chen = people
    make_type(maria, chen, 22, payment_flags=["4096"])
    place = order(maria, "allow-for-type", code=22, list=1, numbers="3", allowed=1)
    assert document_of(shop, place).done_count == 1
    order(maria, "allow-for-type", code=22, list=3, numbers="7\n8", allowed=1)
    page = words(maria.get("/card-types/22").text)
    assert "Stores that accept it 3" in page and "Operators who recharge it 7, 8" in page
    bad = order(maria, "allow-for-type", code=22, list=1, numbers="99", allowed=1)
    assert "Refused" in maria.get(bad).text
    maria.post(f"{place}/undo", page=place)
    assert "Stores that accept it" not in words(maria.get("/card-types/22").text)


def test_what_the_switch_refuses_names_the_field(shop, people, monkeypatch):
    maria, _ = people
    settle = shop.settle
    monkeypatch.setattr(shop, "settle", lambda: None)

    place = order(maria, "write-card-type", code=23, name="x", functions=["2"])
    with shop.database.write() as session:
        step = session.get_one(DocumentStep, (int(place.rpartition("/")[2]), 1))
        at = next(one.offset for one in layout_of(PutCardTypeRequest).fields if one.name == "pin_tries_max")
        step.body = step.body[:at] + b"\xff" + step.body[at + 1 :]
    monkeypatch.setattr(shop, "settle", settle)
    shop.settle()
    assert "Field invalid: Wrong PINs that lock it" in words(maria.get(place).text)


@pytest.mark.feature("GJ-015", "GJ-092")
def test_a_part_of_the_group_has_its_own_types_and_changes_no_others(shop, people):
    maria, _ = people
    region = 1
    _put_region(shop, region)
    shop.add_user("rosa", "hq-supervisor", organisation_id=region, totp=True)
    order(maria, "write-card-type", code=80, name="Group", functions=["2"])
    with shop.browser("rosa") as rosa:
        own: dict[str, Any] = {"code": 81, "name": "Region", "functions": ["2"], "organisation_id": region}
        order(rosa, "write-card-type", **own)
        assert version_of(shop, 81).organisation_id == region
        assert "not in your part" in preview(rosa, "write-card-type", **{**own, "code": 82, "organisation_id": ""})
        assert "belongs to another part" in preview(rosa, "write-card-type", **{**own, "code": 80})
        assert "belongs to another part" in preview(rosa, "submit-card-type", code=80)
        order(rosa, "submit-card-type", code=81)
    assert state_of(shop, 81) == TypeState.SUBMITTED


def _put_region(shop, number):
    """A node of the organisation, by the service's own terminal."""
    link = link_of(shop.settings, 0, os.urandom)
    with link:
        request = PutOrganisationRequest(
            trace_number=now_ms() % 2**32,
            business_date=now_ms() // 86_400_000,
            stamp_ms=now_ms(),
            organisation_id=number,
            node=OrganisationNode.REGION,
        )
        reply = link.ask(MessageType.PUT_ORGANISATION, request)
        assert isinstance(reply, Reply) and reply.code == 0
    shop.settle()
