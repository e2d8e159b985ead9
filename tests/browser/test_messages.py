"""A clerk writes to members in a real browser; the sender, a simulated gateway and its reports are real processes."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from sqlalchemy import select

from admin.database import Database
from admin.messaging.connecting import gateway_of, secret_of
from admin.messaging.templates import TemplateForm, put_words, save_template
from admin.models.members import Member
from admin.settings import SETTINGS_FILE_VARIABLE, Settings, write_settings
from tests.browser.conftest import wait_for
from tests.support.admin_databases import migrated_sqlite  # noqa: F401
from tests.support.admin_messages import CALLBACK, FIRST_MEMBER, connect, phone_of, put_members
from tests.support.admin_office import PASSWORD, Office

AXE = Axe()
PICTURES = os.environ.get("CARDSWITCH_PICTURES")


@pytest.fixture(scope="module")
def site(tmp_path_factory, migrated_sqlite):  # noqa: F811
    """(address, folder) of a web server, its sender and a simulated gateway, with a clerk and three members."""
    folder = tmp_path_factory.mktemp("messages")
    shutil.copy(migrated_sqlite, folder / "admin.sqlite")
    office = Office(Database(f"sqlite:///{folder / 'admin.sqlite'}"), folder)
    office.world.now_ms = time.time_ns() // 1_000_000
    office.add_user("boss", "administrator")
    office.add_user("sue", "service-agent")
    office.add_user("mark", "marketing")
    put_members(office, 3)
    with office.database.write() as session:
        for member, name in zip(
            session.scalars(select(Member).order_by(Member.id)), ["张伟", "王芳", "李娜"], strict=True
        ):
            member.name = name
    boss = office.visitor("boss")
    save_template(office.service, boss, TemplateForm(name="会员日", body="{姓名}您好，本周六会员日，全场九折。"))
    put_words(office.service, boss, "中奖\n发票")
    ports = [free_port(), free_port()]
    web, gateway = (f"http://127.0.0.1:{port}" for port in ports)
    connect(office, "boss", f"{gateway}/messages", signature="永隆超市")
    with office.database.read() as session:
        (folder / "callback.txt").write_text(secret_of(office.service, gateway_of(session)))
    office.close()
    office.database.close()
    settings = folder / "admin.toml"
    write_settings(settings, Settings(data=str(folder), listen_port=ports[0]))
    simulator = [
        *(sys.executable, "-m", "cardswitch", "sms-simulator", "--listen", f"127.0.0.1:{ports[1]}", "--token", "tok"),
        *("--callback", f"{web}{CALLBACK}", "--secret-file", str(folder / "callback.txt"), "--fail-ending", "03"),
    ]
    commands = [
        [sys.executable, "-m", "admin.serving", str(settings)],
        [sys.executable, "-m", "admin.messaging.sender"],
        simulator,
    ]
    with running(commands, folder, settings):
        wait_for(f"{web}/health", folder / "log")
        yield web, gateway


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def running(commands, folder: Path, settings: Path):
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, SETTINGS_FILE_VARIABLE: str(settings)}
        children = [subprocess.Popen(one, stdout=log, stderr=log, env=environment) for one in commands]
        try:
            yield
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(20)


def keep(page, name):
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/messages-{name}.png", full_page=True)


@pytest.mark.feature("VC-129", "VC-132", "VC-133", "VC-134", "VC-137", "VC-140", "VC-143")
def test_a_clerk_writes_looks_sends_and_sees_what_arrived_and_what_was_answered(chromium, site):
    address, gateway = site
    context = chromium.new_context(base_url=address, locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto("/login")
    page.get_by_label("用户名").fill("sue")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.get_by_role("link", name="写短信").click()
    page.get_by_label("模板").select_option(label="会员日")
    page.get_by_role("button", name="填入").click()
    body = page.locator("#body")
    assert "本周六会员日" in body.input_value()
    body.press("End")
    body.press_sequentially("中奖", delay=10)  # the count follows what is typed
    page.locator("#count .error", has_text="中奖").wait_for()
    body.fill("{姓名}您好，本周六会员日，全场九折。" + "欢迎光临" * 15)
    page.locator("#count", has_text="2 条").wait_for()
    page.locator("#count .error").wait_for(state="detached")
    page.locator("#members").fill(f"{FIRST_MEMBER} {FIRST_MEMBER + 1} {FIRST_MEMBER + 2}")
    keep(page, "write")
    page.get_by_role("button", name="预览将要发送的内容").click()
    assert page.locator("#ready").inner_text() == "3"
    page.get_by_text("【永隆超市】张伟您好").first.wait_for()
    keep(page, "preview")
    page.get_by_role("button", name="发送 3 条短信").click()
    page.get_by_role("heading", level=1).filter(has_text="发送 1").wait_for()
    for _ in range(100):
        page.goto("/messages")
        if page.get_by_text("未送达").count() > 1 and page.locator(".state.good").count() == 2:
            break
        time.sleep(0.1)
    assert page.locator("tbody tr").count() == 3 and page.locator("tbody .state.good").count() == 2
    assert page.get_by_text("139****0001").is_visible() and page.get_by_text("switched off").is_visible()
    keep(page, "outbox")
    sent = f'{{"from": "{phone_of(FIRST_MEMBER)}", "text": "周六几点开门？"}}'.encode()
    urllib.request.urlopen(urllib.request.Request(f"{gateway}/incoming", sent), timeout=10).close()
    page.get_by_role("link", name="收件箱").click()
    row = page.locator("tbody tr", has_text="周六几点开门？")
    assert row.get_by_role("link", name="张伟").is_visible()
    keep(page, "inbox")
    row.get_by_role("combobox").select_option(value="talk")
    row.get_by_role("button", name="已处理").click()
    page.get_by_text("已转入联系记录").wait_for()
    page.goto(f"/members/{FIRST_MEMBER}")
    assert page.locator("#reach").get_by_text("愿意接收短信").first.is_visible()
    keep(page, "member")
    assert page.locator("body", has_text="周六几点开门？").is_visible()
    assert faults == []  # axe breaks the content policy itself
    for theme in ("light", "dark"):
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        for place, name in (("/message-sendings/1", "sending"), ("/messages/1", "message")):
            page.goto(place)
            keep(page, f"{name}-{theme}")
            assert [fault["id"] for fault in AXE.run(page).response["violations"]] == []
    journeys(page)
    context.close()


def journeys(page):
    """The marketing department makes a journey from the table and looks at what it has done."""
    page.get_by_role("button", name="退出").click()
    page.goto("/login")
    page.get_by_label("用户名").fill("mark")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.goto("/journeys/new")
    page.locator("#name").fill("三十天未消费")
    page.locator("#trigger").select_option("silent")
    page.locator("#trigger_days").fill("30")
    rows = page.locator("tbody tr")
    rows.nth(0).locator("[name=kind]").select_option("message")
    rows.nth(0).locator("[name=template]").select_option(label="会员日")
    rows.nth(1).locator("[name=kind]").select_option("wait")
    rows.nth(1).locator("[name=days]").fill("7")
    rows.nth(2).locator("[name=kind]").select_option("branch")
    rows.nth(2).locator("[name=condition]").select_option("bought")
    page.get_by_role("button", name="增加行").click()
    assert page.locator("tbody tr").count() == 6
    rows.nth(2).locator("[name=then]").fill("4")
    rows.nth(2).locator("[name=else]").fill("5")
    rows.nth(3).locator("[name=kind]").select_option("stop")
    rows.nth(4).locator("[name=kind]").select_option("message")
    rows.nth(4).locator("[name=template]").select_option(label="会员日")
    keep(page, "journey-form")
    assert [fault["id"] for fault in AXE.run(page).response["violations"]] == []
    page.get_by_role("button", name="保存").click()
    page.get_by_role("button", name="从现在起让会员进入").click()
    page.get_by_text("会员可进入").wait_for()
    keep(page, "journey")
    assert [fault["id"] for fault in AXE.run(page).response["violations"]] == []
