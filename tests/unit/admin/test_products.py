"""The product file: kept by a clerk through pages, in a tree of classes that rules and reports name."""

import csv
import io
import re

import pytest
from sqlalchemy import select

from admin.models.audit import AuditRow
from switch.protocol.messages import RuleLayer
from switch.protocol.records import RuleRecord, RulesetRecord
from tests.support.admin_office import NORTH
from tests.support.admin_trade import put_trade

FILM = {"item": "6901234567892", "code": "F-01", "name": "保鲜膜", "specification": "30 cm x 20 m", "unit": "卷"}


@pytest.fixture
def shop(office):
    """Two regions that have traded in article 5, of department 7 and category 8."""
    put_trade(office)
    office.add_user("mara", "marketing", "hq-supervisor")
    return office


def rows(browser, address):
    text = browser.get(address).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))[:-1]


def listed(browser, query=""):
    return re.findall(r'<tr><td><a href="/products/(\d+)"', browser.get(f"/products{query}").text)


@pytest.mark.feature("K3-073", "K3-074", "K3-075", "K3-076", "K3-077", "K3-078", "K3-079", "K3-137")
def test_a_clerk_keeps_products_and_only_what_was_never_sold_is_deleted(shop):
    with shop.browser("mara") as mara:
        assert "No product yet" in mara.get("/products").text
        assert mara.post("/products/new", FILM).headers["location"] == "/products/6901234567892"
        page = mara.get("/products/6901234567892").text
        assert all(text in page for text in FILM.values())
        # Code and article number stand once in the file.
        assert "with this article number already" in mara.post("/products/new", {**FILM, "code": "F-02"}).text
        assert "with this code already" in mara.post("/products/new", {**FILM, "item": "77"}).text
        # The tills have sold an article that nobody has entered.
        assert mara.post("/products/from-bills", page="/products").status_code == 303
        assert listed(mara) == ["5", "6901234567892"]  # by code: 5, F-01
        changed = {"item": "5", "code": "A-5", "name": "Apples", "department": "0", "specification": "red"}
        assert mara.post("/products/5/change", changed).status_code == 303
        kept = mara.post("/products/5/change", {**changed, "item": "6"}).text
        assert "keeps its article number" in kept
        assert listed(mara, "?q=appl") == ["5"] and listed(mara, "?q=30 cm") == ["6901234567892"]
        assert listed(mara, "?q=5") == ["5"] and listed(mara, "?department=7") == [] and listed(mara, "?q=%25") == []
        # A sold one is discontinued, another one deleted.
        sold = mara.post("/products/5/delete", page="/products/5/change")
        assert sold.status_code == 409 and "was sold: discontinue it" in sold.text
        assert "/products/5/delete" not in mara.get("/products/5").text
        assert mara.post("/products/5/discontinue", page="/products/5").status_code == 303
        assert listed(mara, "?sale=discontinued") == ["5"] and listed(mara, "?sale=sold") == ["6901234567892"]
        assert mara.post("/products/5/resume", page="/products/5").status_code == 303
        assert "data-print" in mara.get("/products").text
        assert mara.post("/products/6901234567892/delete", page="/products/6901234567892").status_code == 303
        assert listed(mara) == ["5"]
    with shop.database.read() as session:
        noted = session.scalars(
            select(AuditRow.action).where(AuditRow.module == "products", AuditRow.outcome == "done")
        ).all()
    assert noted == ["add", "take from bills", "change", "discontinue", "resume", "delete"]
    # A menu entry and rights of its own: those who only look may not change, and a part of the group neither.
    with shop.browser("nora") as nora:
        assert 'href="/products"' in nora.get("/").text and "/products/new" not in nora.get("/products").text
        assert nora.get("/products/new").status_code == 403
    shop.add_user("nick", "hq-supervisor", organisation_id=NORTH)
    with shop.browser("nick") as nick:
        assert "whole group" in nick.post("/products/new", FILM).text


@pytest.mark.feature("K3-080")
def test_classes_are_a_tree_that_rules_and_reports_name(shop):
    shop.put(RulesetRecord(ruleset=1, state=1), RuleRecord(ruleset=1, rule=1, layer=RuleLayer.POINTS_ITEM, category=8))
    with shop.browser("mara") as mara:
        assert mara.post("/product-classes", {"kind": "department", "number": "7", "name": "Fruit"}).status_code == 303
        assert "A department is in no other one." in (
            mara.post("/product-classes", {"kind": "department", "number": "9", "name": "x", "parent": "7"}).text
        )
        below = {"kind": "category", "number": "8", "name": "Apples and pears", "parent": "7"}
        assert mara.post("/product-classes", below).status_code == 303
        page = mara.get("/product-classes").text
        assert page.index("Fruit") < page.index("Apples and pears") and "Categories of no department" not in page
        kept = mara.post("/product-classes/delete", {"kind": "department", "number": "7"}, page="/product-classes")
        assert "Categories are in this department" in kept.text
        mara.post("/products/from-bills", page="/products")
        kept = mara.post("/product-classes/delete", {"kind": "category", "number": "8"}, page="/product-classes")
        assert "Products are in this class" in kept.text
        mara.post("/products/5/change", {"item": "5", "name": "Gala"})
        assert mara.post("/product-classes", {**below, "name": "Pome fruit"}).status_code == 303
        assert "class 8 Pome fruit" in mara.get("/rules/1").text
        assert rows(mara, "/reports/goods/csv?level=item")[0]["Article"] == "5"
        names = re.findall(r"<td>([^<]*)</td>", mara.get("/reports/goods?level=item").text)
        assert {"Fruit", "Pome fruit", "Gala"} <= set(names)
        assert "Gala" in mara.get("/reports/bill-lines").text
        mara.post("/product-classes/delete", {"kind": "category", "number": "8"}, page="/product-classes")
        assert "Pome fruit" not in mara.get("/product-classes").text
