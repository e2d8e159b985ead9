"""A first day in a real browser: set up, sign on, look, search; in both languages, and for everybody."""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.whole_business import CARD

PASSWORD = "correct horse battery staple"
PAGES = (
    "/",
    "/cards",
    "/desk",
    "/card-stock",
    "/card-types",
    "/card-types/1",
    "/card-faces",
    "/card-faces/new",
    "/authorisations",
    "/documents/new/write-card-type",
    "/documents/new/make-and-issue",
    "/entries",
    "/members",
    "/members/new",
    "/members/1000001",
    "/members/1000001/edit",
    "/members/1000001/merge",
    "/member-consumption",
    "/members/1000001/consumption/new",
    "/member-groups",
    "/member-groups/new?field=region&operator=is&value=110000",
    "/member-contacts",
    "/messages",
    "/messages/new",
    "/message-sendings",
    "/message-inbox",
    "/message-templates",
    "/message-templates/new",
    "/message-gateway",
    "/journeys",
    "/journeys/new",
    "/member-days?days=62",
    "/members/1000001/care",
    "/care",
    "/care/tasks/new",
    "/care/settings",
    "/care/settings/points-expiry",
    "/opinions",
    "/opinions/new",
    "/opinions/import",
    "/calls",
    "/activities",
    "/activities/new",
    "/reports/visits",
    "/reports/complaints",
    "/member-churn",
    "/member-levels",
    "/member-levels/new",
    "/member-levels/run",
    "/member-import",
    "/member-fields",
    "/member-codes/education",
    "/alarms",
    "/abnormal",
    "/abnormal/rules",
    "/blacklist",
    "/media",
    "/keys",
    "/keys/4",
    "/organisation",
    "/money",
    "/money/limits",
    "/orders",
    "/orders/new",
    "/points",
    "/points/categories",
    "/gifts",
    "/rules",
    "/rules/try",
    "/prices",
    "/campaigns",
    "/campaigns/new",
    "/cashier",
    "/cashier/new?columns=1&columns=2&columns=4",
    "/products",
    "/products/new",
    "/product-classes",
    "/repairs",
    "/documents/new/put-rule",
    "/documents/new/put-prices",
    "/losses",
    "/ceremonies",
    "/documents/new/key-ceremony",
    "/documents/new/rotate-house-key",
    "/documents/new/return-house-key",
    "/documents/new/end-house-key",
    "/terminals",
    "/terminals/1",
    "/business-day",
    "/documents",
    "/documents/new",
    "/documents/new/add-terminal",
    "/employees",
    "/employees/new",
    "/users",
    "/users/1",
    "/roles",
    "/roles/auditor",
    "/controls",
    "/dealers",
    "/parameters",
    "/parameters/session_minutes",
    "/parameters/step-up.money",
    "/tokens",
    "/interface",
    "/webhooks",
    "/webhooks/deliveries",
    "/exports",
    "/exports/1",
    "/audit",
    "/audit/check",
    "/reports",
    "/report-submissions",
    "/queries",
    "/queries/ask?subject=members",
    "/queries/ask?subject=lines&by=store&across=month&measure=amount&column=amount",
    "/queries/ask?subject=entries&column=date&column=card&column=amount&field=date&operator=least&value=-30",
    "/report-timers",
    "/pay",
    "/reports/member-growth",
    "/reports/dates",
    "/reports/purchases",
    "/reports/goods",
    "/reports/settlement?from_date=x",
    "/account",
    "/set-up",
    "/finance",
    "/help?about=/cards",
    "/account/dynamic-password",
)
PICTURES = os.environ.get("CARDSWITCH_PICTURES")
"""Folder for a picture of each page, for people to look at."""


@pytest.fixture(scope="module")
def visit(chromium, site):
    """A page of a browser in which the first administrator has signed on; nothing may go wrong behind the scenes."""
    address, token = site
    context = chromium.new_context(base_url=address, locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith((address, "data:")) else faults.append(request.url)
    )
    page.goto("/")
    page.get_by_label("初始化令牌").fill(token)
    page.get_by_label("用户名").fill("boss")
    page.get_by_label("姓名").fill("张伟")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="创建管理员").click()
    page.get_by_label("用户名").fill("boss")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.get_by_role("heading", name="总览").wait_for()
    yield page
    assert faults == []
    context.close()


def choose(page, language):
    """Read pages in a language."""
    page.goto(f"/language/{language}?back=/")


def test_the_dashboard_shows_real_figures_and_that_they_agree(visit):
    choose(visit, "zh")
    visit.get_by_text("已同步").wait_for()
    assert visit.get_by_text("相符").is_visible()
    assert visit.locator("dt", has_text="卡片").locator("xpath=following-sibling::dd").inner_text() == "8"


@pytest.mark.parametrize(
    ("language", "label", "none"), [("zh", "卡号", "没有这张卡"), ("en", "Card number", "No such card")]
)
def test_cards_are_found_while_typing_and_back_goes_back(visit, language, label, none):
    choose(visit, language)
    visit.goto("/cards")
    visit.locator("body").press("/")
    field = visit.get_by_label(label)
    assert field.evaluate("element => element === document.activeElement")
    field.press_sequentially(str(CARD)[:12], delay=20)
    visit.wait_for_url(re.compile(r"q=622202010003"))
    assert visit.locator("tbody tr").count() == 1
    assert visit.get_by_role("link", name=str(CARD)).is_visible()
    field.press_sequentially("9", delay=20)
    visit.get_by_text(none).wait_for()
    visit.goto(f"/cards?q={CARD}")
    visit.get_by_role("link", name=str(CARD)).click()
    visit.get_by_role("heading", level=1).filter(has_text=str(CARD)).wait_for()
    assert str(CARD) not in visit.url
    visit.go_back()
    assert visit.get_by_label(label).input_value() == str(CARD)


def test_a_filter_of_entries_stands_in_the_address(visit):
    choose(visit, "en")
    visit.goto("/entries")
    visit.get_by_label("Kind").select_option(label="Transfer")
    visit.wait_for_url(re.compile(r"type=27"))
    visit.get_by_text("2 entries on this page").wait_for()
    kept = visit.url
    visit.goto("/")
    visit.goto(kept)
    assert visit.get_by_label("Kind").locator("option:checked").inner_text() == "Transfer"
    assert visit.locator("tbody tr").count() == 2


@pytest.mark.feature("HD-014", "VC-004")
def test_a_member_is_made_and_found_by_pinyin_while_typing(visit):
    choose(visit, "zh")
    visit.goto("/members")
    visit.get_by_role("link", name="新建会员").click()
    visit.locator("#name").fill("张伟")
    visit.locator("#mobile").fill("13812345678")
    visit.locator("#region").select_option(label="北京")
    visit.locator("#address").fill("长安街 1 号")
    visit.locator("#preferences").fill("喜欢靠窗的座位")
    visit.get_by_role("button", name="保存").click()
    visit.get_by_role("heading", level=1).filter(has_text="张伟").wait_for()
    visit.locator("#c-content").fill("问会员日活动")
    visit.get_by_role("button", name="登记", exact=True).click()
    visit.get_by_text("问会员日活动").wait_for()
    visit.goto("/members")
    visit.locator("body").press("/")
    visit.locator("[data-search]").press_sequentially("zw", delay=20)
    visit.wait_for_url(re.compile(r"q=zw"))
    visit.locator("tbody").get_by_role("link", name="张伟").wait_for()
    visit.locator("[data-search]").press_sequentially("x", delay=20)
    visit.get_by_text("没有找到").wait_for()


def test_the_alarm_monitor_is_live_and_its_signals_are_off_until_wanted(visit):
    choose(visit, "en")
    visit.goto("/alarms")
    visit.get_by_text("Live: an alarm appears here").wait_for()
    sound = visit.get_by_label("Sound")
    assert not sound.is_checked() and not visit.get_by_label("Flash the title").is_checked()
    visit.get_by_label("Flash the title").check()
    visit.reload()
    assert visit.get_by_label("Flash the title").is_checked() and not sound.is_checked()


def test_what_was_ordered_is_done_beside_and_its_page_says_so_by_itself(visit):
    choose(visit, "en")
    token = visit.locator('input[name="_csrf_token"]').first.get_attribute("value")
    ordered = visit.request.post("/member-levels/plan", form={"_csrf_token": token}, max_redirects=0)
    assert ordered.status == 303
    visit.goto("/exports/1")
    visit.get_by_text("Ready", exact=True).wait_for()
    visit.goto("/exports")
    visit.get_by_role("link", name="Whom a change of levels would move").wait_for()


EVERY_LOOK = os.environ.get("CARDSWITCH_EVERY_LOOK")
"""Whether axe does all it can in every language and theme: for whoever has changed colours."""
LOOKS = (("zh", "light"), ("en", "dark")) + ((("zh", "dark"), ("en", "light")) if EVERY_LOOK else ())
AXE = Axe()
ALL_RULES = {"resultTypes": ["violations"]}
WITHOUT_COLOURS = {**ALL_RULES, "rules": {"color-contrast": {"enabled": False}}}
"""Colours take most of axe's time; those of the light theme are looked at while the working day goes on."""
NARROW = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 900}


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_every_page_can_be_used_by_everybody(chromium, site, visit, language, theme):
    # A context of its own, for axe and screenshots put styles into the page, which its policy would refuse.
    context = chromium.new_context(base_url=site[0], storage_state=visit.context.storage_state(), bypass_csp=True)
    page = context.new_page()
    choose(page, language)
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    found = {}
    page.goto("/cards")
    card_page = page.locator("tbody a").first.get_attribute("href")
    addresses = (*PAGES, card_page, f"{card_page}/balance")
    place = LOOKS.index((language, theme))
    # In the default run each page has one look, in turn: what differs between them is in the frame around all pages.
    for address in addresses if EVERY_LOOK else addresses[place :: len(LOOKS)]:
        page.set_viewport_size(WIDE)
        page.goto(address)
        violations = AXE.run(page, options=ALL_RULES if EVERY_LOOK or theme == "dark" else WITHOUT_COLOURS).response[
            "violations"
        ]
        faults = [(fault["id"], fault["nodes"][0]["html"][:150]) for fault in violations]
        keep(page, address, f"{language}-{theme}")
        page.set_viewport_size(NARROW)
        if (width := page.evaluate("document.documentElement.scrollWidth")) > NARROW["width"]:
            faults.append(("wider than a phone", width))
        keep(page, address, f"{language}-{theme}-narrow")
        if faults:
            found[address] = faults
    context.close()
    assert found == {}


def keep(page, address, name):
    """A picture of a page, where pictures are wanted."""
    if PICTURES:
        place = address.strip("/").replace("/", "-")[:30] or "dashboard"
        page.screenshot(path=Path(PICTURES) / f"{place}-{name}.png", full_page=True)


def test_the_keyboard_alone_is_enough(visit):
    choose(visit, "en")
    visit.goto("/cards")
    visit.keyboard.press("Tab")
    assert visit.evaluate("document.activeElement.className") == "skip"
    visit.keyboard.press("Enter")
    assert visit.evaluate("document.activeElement.id") == "main"
    visit.keyboard.press("Tab")
    assert visit.evaluate("document.querySelector('main').contains(document.activeElement)")
    visit.goto("/cards")
    visit.keyboard.press("/")
    visit.keyboard.type(str(CARD))
    visit.keyboard.press("Enter")
    visit.wait_for_url(re.compile(rf"q={CARD}"))
    visit.get_by_role("link", name=str(CARD)).focus()
    visit.keyboard.press("Enter")
    visit.get_by_role("heading", level=1).filter(has_text=str(CARD)).wait_for()
    # From a page without a search field, "/" goes to the cards.
    visit.goto("/account")
    visit.locator("body").press("/")
    visit.wait_for_url(re.compile(r"/cards$"))


def test_on_a_phone_the_menu_is_folded_and_opens(visit):
    choose(visit, "en")
    visit.set_viewport_size(NARROW)
    visit.goto("/cards")
    menu, button = visit.get_by_role("navigation", name="Main menu"), visit.get_by_role("button", name="Menu")
    assert not menu.is_visible()
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert menu.is_visible()
    assert button.get_attribute("aria-expanded") == "true"
    menu.get_by_role("link", name="Entries").click()
    visit.get_by_role("heading", level=1, name="Entries").wait_for()
    assert not menu.is_visible()
    visit.set_viewport_size(WIDE)
    assert menu.is_visible()
    assert not button.is_visible()


def test_a_long_menu_unfolds_the_group_of_the_page_and_what_was_unfolded(visit):
    choose(visit, "en")
    visit.goto("/cards")
    menu = visit.get_by_role("navigation", name="Main menu")
    stock, report = menu.get_by_role("link", name="Stock of cards"), menu.get_by_role("link", name="Reports by timer")
    assert stock.is_visible()
    assert not report.is_visible()
    menu.get_by_text("Reports", exact=True).first.press("Enter")
    report.click()
    visit.wait_for_url(re.compile(r"/report-timers$"))
    assert report.is_visible()
    assert not stock.is_visible()
    visit.goto("/account")
    assert report.is_visible()  # it was left unfolded


def test_paper_has_the_page_and_nothing_to_press(visit):
    choose(visit, "en")
    visit.goto(f"/cards?q={CARD}")
    visit.get_by_role("link", name=str(CARD)).click()
    visit.get_by_role("heading", level=1).filter(has_text=str(CARD)).wait_for()
    visit.emulate_media(media="print")
    assert not visit.get_by_role("navigation").first.is_visible()
    assert not visit.get_by_role("button").first.is_visible()
    assert visit.get_by_role("heading", level=1).is_visible()
    assert visit.locator("tbody tr").first.is_visible()
    visit.emulate_media(media="screen")


@pytest.mark.parametrize(
    ("language", "heading", "way_out"),
    [("zh", "此处没有内容", "返回总览"), ("en", "There is nothing here", "To the dashboard")],
)
def test_an_address_without_a_page_says_what_to_do(chromium, site, visit, language, heading, way_out):
    context = chromium.new_context(base_url=site[0], storage_state=visit.context.storage_state())
    page = context.new_page()
    choose(page, language)
    for address in ("/nothing", "/cards/nothing", "/documents/999999", "/users/999999"):
        assert page.goto(address).status == 404
        assert page.get_by_role("heading", level=1, name=heading).is_visible()
    page.get_by_role("link", name=way_out).click()
    page.wait_for_url(re.compile(r"/$"))
    context.close()
