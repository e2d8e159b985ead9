"""A day of a service agent in a real browser: a visit that is closed, a complaint on its way, a call that pops up."""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

PASSWORD = "correct horse battery staple"
PICTURES = os.environ.get("CARDSWITCH_PICTURES")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
AXE = Axe()


@pytest.fixture(scope="module")
def agent(chromium, site):
    """A browser in which the first user has signed on; nothing may go wrong behind the scenes."""
    address, token = site
    context = chromium.new_context(base_url=address, locale="zh-CN", viewport=WIDE)
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto("/")
    page.get_by_label("初始化令牌").fill(token)
    page.get_by_label("用户名").fill("ada")
    page.get_by_label("姓名").fill("王芳")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="创建管理员").click()
    page.get_by_label("用户名").fill("ada")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.get_by_role("heading", name="总览").wait_for()
    yield page
    assert faults == []
    context.close()


@pytest.mark.feature("VC-043", "VC-045", "VC-055", "VC-056", "VC-059", "VC-090", "VC-092", "EF-039")
def test_an_agents_day(chromium, site, agent):
    agent.goto("/organisation")
    agent.locator("form[action='/departments'] input[name=name]").fill("生鲜部")
    agent.locator("form[action='/departments'] button").first.click()
    agent.goto("/care/heads")
    agent.get_by_label("部门", exact=True).select_option(label="生鲜部")
    agent.get_by_label("部门主管").select_option(label="王芳")
    agent.get_by_role("button", name="保存").click()
    agent.get_by_text("王芳").first.wait_for()

    agent.goto("/members/new")
    agent.locator("#name").fill("李秀英")
    agent.locator("#mobile").fill("13712345678")
    agent.get_by_role("button", name="保存").click()
    agent.get_by_role("heading", level=1).filter(has_text="李秀英").wait_for()
    agent.locator("main .actions a[href$='/care']").click()
    care = agent.url
    agent.get_by_role("link", name="新增回访").click()
    agent.locator("#subject").fill("新卡用得怎样")
    agent.get_by_role("button", name="保存").click()
    agent.wait_for_url(re.compile(r"/care/tasks/\d+$"))
    visit = agent.url
    agent.goto("/care")
    agent.locator("#results").get_by_role("link", name="回访", exact=True).click()
    agent.wait_for_url(visit)
    agent.get_by_role("button", name="完成").click()
    agent.get_by_text("回访结束必须填写结果").wait_for()
    agent.locator("#result").fill("卡好用，鱼太贵")
    agent.locator("#satisfaction").select_option(value="3")
    agent.locator("#has_opinion").check()
    agent.locator("#opinion_kind").select_option(value="complaint")
    agent.locator("#opinion_area").select_option(label="价格标准")
    agent.locator("#opinion_text").fill("鱼比菜市场贵一倍")
    agent.locator("#opinion_department").select_option(label="生鲜部")
    agent.get_by_role("button", name="完成").click()
    agent.locator("a[href$='/slip']").click()
    agent.get_by_text("鱼比菜市场贵一倍").wait_for()
    slip = agent.url

    agent.goto("/opinions?whose=mine")
    agent.locator("tbody a").first.click()
    agent.wait_for_url(re.compile(r"/opinions/\d+$"))
    opinion = agent.url
    for act, text in (("handle", "问了供应商"), ("effect", "降价一成"), ("feed-back", "已电话告知"), ("close", "")):
        agent.locator(f"#text-{act}").fill(text)
        agent.locator(f"input[value={act}] ~ button").click()
        agent.locator("td", has_text=text or "已关闭").last.wait_for()
    assert agent.locator("h1 .state").inner_text() == "已关闭"

    # The telephone rings while the agent looks at her calls.
    agent.goto("/calls")
    other = agent.context.new_page()
    other.goto("/calls")
    other.locator("#number").fill("13712345678")
    other.get_by_role("button", name="查询来电者").click()
    other.get_by_role("link", name="李秀英").wait_for()
    call = other.url
    other.close()
    agent.locator("[data-call-link]").click()
    agent.wait_for_url(care)
    agent.goto("/activities/new")
    agent.locator("#name").fill("新春茶会")
    agent.locator("#date").fill("2026-02-10")
    agent.locator("#points_hundredths").fill("50")
    agent.get_by_role("button", name="保存").click()
    agent.locator("#members").fill(re.findall(r"/members/(\d+)", care)[0])
    agent.get_by_role("button", name="登记").click()
    agent.get_by_text("1 位参加会员").wait_for()
    activity = agent.url
    look_at(chromium, site, agent, (care, visit, slip, opinion, f"{opinion}/slip", call, activity, "/care", "/calls"))


def look_at(chromium, site, agent, addresses):
    """Everybody can use the pages as they are now: axe finds nothing, and they fit a phone."""
    # A context of its own, for axe and screenshots put styles into the page, which its policy would refuse.
    context = chromium.new_context(base_url=site[0], storage_state=agent.context.storage_state(), bypass_csp=True)
    page = context.new_page()
    found = {}
    for language, theme in (("zh", "light"), ("en", "dark")):
        page.goto(f"/language/{language}?back=/care")
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        place = 0 if theme == "light" else 1
        for address in addresses if PICTURES else addresses[place::2]:
            page.set_viewport_size(WIDE)
            page.goto(address)
            faults = [
                (fault["id"], fault["nodes"][0]["html"][:150])
                for fault in AXE.run(page, options={"resultTypes": ["violations"]}).response["violations"]
            ]
            name = re.sub(r"^https?://[^/]+", "", address).strip("/").replace("/", "-") or "dashboard"
            if PICTURES:
                page.screenshot(path=Path(PICTURES) / f"agent-{name}-{language}-{theme}.png", full_page=True)
            page.set_viewport_size(NARROW)
            if (width := page.evaluate("document.documentElement.scrollWidth")) > NARROW["width"]:
                faults.append(("wider than a phone", width))
            if faults:
                found[address, theme] = faults
    context.close()
    assert found == {}
