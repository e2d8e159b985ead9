"""Every row of the table of errors: its tool is on the page, shows what it would do, asks why, leaves a record."""

import datetime
import re
from itertools import count

import pytest
from sqlalchemy import select

from admin.models.audit import AuditRow
from cardswitch.key_officers import House
from cardswitch.key_orders import KeyDesk
from switch.protocol.messages import KeyPurpose
from tests.support.admin_business import BLANKS, CARDS, Counter, is_conserved, make_business, points_of
from tests.support.admin_media import Chips
from tests.support.admin_orders import agree, field, order, preview
from tests.support.desk import STORE_ID
from tests.support.switch_process import SwitchProcess

WHY = {"remark": "what the customer showed us"}


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repairs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        with SwitchProcess(make_business(folder / "data")) as process:
            yield process


class Mender:
    """Maria, who mends, and Chen, who agrees where a second person must; each tool is used as a person would."""

    def __init__(self, shop, maria, chen):
        self.shop, self.maria, self.chen = shop, maria, chen
        self.used = []

    def mend(self, error, kind, **fields):
        """Find the tool by the error, look, be asked why, do it; the document is in the audit log with the reason."""
        page = self.maria.get("/repairs").text
        row = page.partition(error)[2].partition("</tr>")[0]
        assert f'href="/documents/new/{kind}"' in row, (error, kind)
        address = f"/documents/new/{kind}"
        key = field(self.maria.get(address).text, "request_key")
        unsaid = self.maria.post(address, {"what": "preview", "request_key": key, **fields}).text
        assert "Say why" in unsaid and 'name="digest"' not in unsaid, kind
        shown = preview(self.maria, kind, **fields, **WHY)
        assert 'name="digest"' in shown.text, shown.text
        place = order(self.maria, kind, **fields, **WHY)
        if "Waits for a second person" in self.maria.get(place).text:
            assert self.maria.post(f"{place}/approve", page=place).status_code == 409
            agree(self.chen, place)
        assert "Done" in self.maria.get(place).text and WHY["remark"] in self.maria.get(place).text
        with self.shop.database.read() as session:
            told = session.scalars(select(AuditRow).where(AuditRow.object == f"document {place[11:]}")).all()
        assert any(WHY["remark"] in row.detail for row in told), kind
        self.used.append(kind)
        return place


@pytest.mark.feature("HD-147")
def test_each_kind_of_error_has_a_tool_with_preview_reason_and_record(shop):
    for name in ("maria", "chen"):
        shop.add_user(name, "hq-supervisor", "security", totp=True)
    numbers, counter = iter(CARDS), Counter(shop)
    slips = count(1)
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        mender = Mender(shop, maria, chen)

        def recharge(card):
            fields = {"card": str(card), "amount_minor": "20", "channel": "2", "reference": f"SLIP {next(slips)}"}
            return order(maria, "recharge-card", **fields).rpartition("/")[2]

        place = order(maria, "rotate-key", purpose=int(KeyPurpose.CHIP))
        agree(chen, place)
        KeyDesk(shop.service, House(data=shop.switch.data)).do_all()
        shop.settle()
        card = next(numbers)
        Chips(shop).make(card)
        shop.settle()
        mender.mend("A chip differs from the ledger", "revoke-media", card=str(card), kinds="2")
        mender.mend("A chip cannot be read", "mark-bad-cards", cards=str(card))
        mender.mend("A wrong number is on the plastic", "correct-number", card=str(next(numbers)),
                    right_number="6222020199990001")  # fmt: skip
        mender.mend("The printed number and that of the system", "void-cards", cards=str(BLANKS[0]))
        mender.mend("Data of before is left on a medium", "clear-cards", cards=str(BLANKS[0]))

        wrong, right = next(numbers), next(numbers)
        mender.mend("A recharge went to the wrong card", "move-recharge", document=recharge(wrong), card=str(right))
        mender.mend("Money is on the wrong card", "transfer-value", card=str(right), to_card=str(wrong),
                    amount_minor="5")  # fmt: skip
        mender.mend("were never confirmed", "reverse-document", document=recharge(wrong))
        sale = counter.sell(wrong, 30_00)
        shop.settle()
        mender.mend("debit was never confirmed", "refund-sale", original=str(sale.journal_sequence))

        bill = {"store": str(STORE_ID), "receipt": "815", "lines": "690123 0 12 0 2 30.00"}
        sold = preview_date(maria)
        mender.mend("A sale gave no points", "backfill-points", card=str(right), sale_date=sold, **bill)
        assert points_of(shop, right) == 30_00
        mender.mend("Points are wrong", "adjust-points", card=str(right), points_hundredths="-10")
        mender.mend("Points are on the wrong card", "transfer-points", card=str(right), to_card=str(wrong),
                    points_hundredths="5")  # fmt: skip
        mender.mend("Points of many cards are wrong", "void-points", cards=str(right))
        assert (points_of(shop, right), points_of(shop, wrong)) == (0, 5_00)

        page = maria.get("/repairs").text
        offered = [part.partition('"')[0] for part in page.split('href="/documents/new/')[1:]]
        assert sorted(offered) == sorted(mender.used)  # no tool on the page that was not tried
        assert maria.get("/business-day").status_code == 200
    counter.close()
    shop.settle()
    assert is_conserved(shop)


def preview_date(browser):
    """The last business date that the pages know, as forms take it."""
    offered = re.search(r"/documents/new/cut-over\?date=([\d-]+)", browser.get("/business-day").text)
    assert offered is not None
    return str(datetime.date.fromisoformat(offered[1]) - datetime.timedelta(days=1))
