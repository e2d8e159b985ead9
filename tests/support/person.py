"""People at browsers: who signs on, reads, types and presses, in a language, by what stands on the page.

Texts come from the service's catalogs, so the same script serves both
languages.  Each page that a person sees is looked at by axe, once per kind of
page; nothing may go wrong in the browser behind the scenes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from time import sleep, time
from typing import Any, Self

import pyotp
from axe_playwright_python.sync_playwright import Axe
from msgspec import Struct
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, ViewportSize

from admin.documents.registry import KINDS
from admin.forms import declared
from admin.i18n import catalog, locale_now, money
from tests.support.company import Company

FIRST_PASSWORD = "given by the administrator"
PASSWORD = "correct horse battery staple"
PICTURES = os.environ.get("CARDSWITCH_PICTURES")
"""Folder for pictures of the day's pages, for people to look at."""
DOCS_PICTURES = os.environ.get("CARDSWITCH_DOCS_PICTURES")
"""Folder for the few pictures that docs/operating.md shows."""
PICTURE_WIDTH, PICTURE_HEIGHT_MIN, PICTURE_HEIGHT_MAX, PICTURE_COLOURS = 1100, 560, 900, 64
TIMEOUT_MS = 30_000
STEP_S = 30
"""Of dynamic passwords."""
TYPING_S = 5
"""Until a code that was read has reached the service, however busy the machine."""
LOOKS_MAX, LOOK_S = 40, 0.25
AXE, AXE_OPTIONS = Axe(), {"resultTypes": ["violations"]}
VIEWPORT: ViewportSize = {"width": 1280, "height": 900}
BROWSER_LOCALES = {"zh": "zh-CN", "en": "en-GB"}


class Person:
    """Somebody at a browser of his own."""

    def __init__(self, browser: Browser, company: Company, name: str, full_name: str, language: str) -> None:
        self.company, self.name, self.full_name, self.language = company, name, full_name, language
        self.context = browser.new_context(
            base_url=company.address,
            locale=BROWSER_LOCALES[language],
            timezone_id="Asia/Shanghai",
            viewport=VIEWPORT,
            accept_downloads=True,
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.sees_numbers = False
        """Whether a role of the person shows whole card numbers."""
        self.faults: list[str] = []
        self._is_alone = True
        self._secret = ""
        self._step = 0
        self._watch()

    def _watch(self) -> None:
        def note(text: str) -> None:
            if self._is_alone:
                self.faults.append(f"{self.page.url}: {text}")

        self.page.on("pageerror", lambda error: note(str(error)))
        self.page.on("console", lambda message: note(message.text) if message.type == "error" else None)
        self.page.on(
            "request",
            lambda request: None if request.url.startswith((self.company.address, "data:")) else note(request.url),
        )

    @contextmanager
    def _measured(self) -> Iterator[None]:
        """While axe or a picture puts styles into the page, which its policy refuses: that is no fault of the page."""
        self._is_alone = False
        yield
        self.page.evaluate("() => new Promise(done => setTimeout(done, 30))")  # what was said of it has arrived
        self._is_alone = True

    # ------------------------------------------------------------------- words

    def say(self, text: str, **values: object) -> str:
        """An English text of the service in the person's language."""
        said = catalog(self.language).gettext(text)
        return said % values if values else said

    def speak(self, language: str) -> None:
        """Read on in another language, by the link at the head of each page."""
        if DOCS_PICTURES:  # all in one language
            return
        self._click(self.page.locator(f"header a[href^='/language/{language}?']").first)
        self.language = language
        self.page.locator(f"html[lang^={language}]").wait_for(state="attached")

    def money(self, amount_minor: int) -> str:
        """An amount as the person's pages write it."""
        before = locale_now.set(self.language)
        try:
            return money(amount_minor)
        finally:
            locale_now.reset(before)

    def see(self, text: str, **values: object) -> None:
        """Wait until a text stands on the page."""
        self.page.get_by_text(self.say(text, **values)).filter(visible=True).first.wait_for()

    def field(self, label: str, within: Page | Locator | None = None) -> Locator:
        """A field by its English label."""
        optional = re.escape(self.say("(optional)"))
        words = re.compile(rf"^\s*{re.escape(self.say(label))}(\s*{optional})?\s*$")
        return (within or self.page).get_by_label(words)

    # ------------------------------------------------------------------- acts

    def go(self, address: str) -> None:
        """Open an address; a dynamic password is given where one is asked for."""
        self.page.goto(address)
        self._arrived()

    def denied(self, address: str, status: int) -> None:
        """Open an address that is not for this person; the page says so."""
        with self._measured():
            response = self.page.goto(address)
        assert response is not None and response.status == status, address
        self.see("You may not do this" if status == 403 else "There is nothing here")
        self.look(f"error-{status}")

    def turned_down(self, label: str) -> str:
        """Press a button for what cannot be done any more; the words of the page that says so."""
        with self._measured(), self.page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            self.page.get_by_role("button", name=self.say(label), exact=True).first.click()
            self.see("This cannot be done")
        assert answered.value.status == 409
        self.look("error-409")
        return self.page.locator("main").inner_text()

    @contextmanager
    def second_tab(self) -> Iterator[Self]:
        """The same person in another tab, until the block ends."""
        first, self.page = self.page, self.context.new_page()
        try:
            yield self
        finally:
            self.page.close()
            self.page = first

    def number_in_address(self) -> int:
        """Of what the page shows."""
        return int(self.page.url.rpartition("/")[2])

    def press(self, label: str, **values: object) -> None:
        """Press a button."""
        self._click(self.page.get_by_role("button", name=self.say(label, **values), exact=True).first)

    def follow(self, label: str, **values: object) -> None:
        """Follow a link."""
        self._click(self.page.get_by_role("link", name=self.say(label, **values), exact=True).first)

    def _click(self, what: Locator) -> None:
        with self.page.expect_navigation():
            what.click()
        self._arrived()

    def _arrived(self) -> None:
        self.page.wait_for_load_state()
        self.look()
        path = self.page.url.removeprefix(self.company.address)
        if path.startswith("/account/dynamic-password"):
            self._set_up_code()
        elif path.startswith("/step-up"):
            self._give_code()

    def look(self, name: str = "") -> None:
        """Let axe look at the page, once per kind of page; keep a picture where pictures are wanted."""
        path = self.page.url.removeprefix(self.company.address).partition("?")[0]
        kind = re.sub(r"/(\d+|[a-z2-7]{26})(?=/|$)", "/one", path)
        what = name or kind.strip("/").replace("/", "-") or "dashboard"
        if what in self.company.looked_at:
            return
        self.company.looked_at.add(what)
        with self._measured():
            violations = AXE.run(self.page, options=AXE_OPTIONS).response["violations"]
            if PICTURES:
                self.picture(Path(PICTURES) / f"{self.language}-{self.name}-{what}")
        found = [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in violations]
        assert not found, f"{self.page.url}: {found}"

    def picture(self, path: Path) -> None:
        """A picture of the whole page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path.with_suffix(".png"), full_page=True)

    def leave(self) -> None:
        """Go home; what the person saw last is kept where pictures are wanted."""
        if PICTURES:
            with self._measured():
                self.picture(Path(PICTURES) / f"{self.language}-{self.name}-last")
        self.context.close()

    def show(self, name: str) -> None:
        """The page as docs/operating.md shows it: small, with few colours, and not longer than a screen or so."""
        if not DOCS_PICTURES or name in self.company.shown:
            return
        self.company.shown.add(name)
        with self._measured():
            self.page.set_viewport_size({"width": PICTURE_WIDTH, "height": PICTURE_HEIGHT_MIN})
            height = min(int(self.page.evaluate("document.documentElement.scrollHeight")), PICTURE_HEIGHT_MAX)
            self.page.set_viewport_size({"width": PICTURE_WIDTH, "height": height})
            taken = Image.open(BytesIO(self.page.screenshot(animations="disabled")))
            self.page.set_viewport_size(VIEWPORT)
        path = Path(DOCS_PICTURES) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        taken.convert("RGB").quantize(PICTURE_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)

    # ------------------------------------------------------------------- signing on

    def set_up(self, token: str) -> None:
        """Become the first administrator, and sign on."""
        self.go("/")
        self.show("set-up")
        for label, text in (
            ("Set-up token", token),
            ("User name", self.name),
            ("Full name", self.full_name),
            ("Password", PASSWORD),
        ):
            self.field(label).fill(text)
        self.press("Make the administrator")
        self.sign_on(PASSWORD)

    def sign_on(self, password: str) -> None:
        """Fill in the page that asks who one is; change a password that was given."""
        self.go("/login")
        self.field("User name").fill(self.name)
        self.field("Password").fill(password)
        self.press("Sign on")
        if "/account" in self.page.url:
            self.field("Present password").fill(password)
            self.field("New password").fill(PASSWORD)
            self.field("New password again").fill(PASSWORD)
            self.press("Change")
        self.page.get_by_role("heading", name=self.say("Dashboard"), level=1).wait_for()

    def employ(self, name: str, full_name: str, *roles: str, place: str = "") -> None:
        """Make a user on the page for it."""
        self.go("/users/new")
        self.field("User name").fill(name)
        self.field("Full name").fill(full_name)
        if place:
            self.field("Place").select_option(label=place)
        for role in roles:
            self.page.get_by_label(self.say(role), exact=True).check()
        self.field("Password to begin with").fill(FIRST_PASSWORD)
        self.show("new-user")
        self.press("Save")
        self.page.get_by_role("heading", level=1).filter(has_text=name).wait_for()

    def _set_up_code(self) -> None:
        self._secret = self.page.locator("code").first.inner_text()
        self.field("Code").fill(self._next_code())
        self.press("Set up")

    def _give_code(self) -> None:
        self.field("Code").fill(self._next_code())
        self.press("Go on")

    def _next_code(self) -> str:
        """A code that was not given before; the service takes those of half a minute before and after, too.

        The oldest of them that is still taken when it arrives, so that the next ones need not be waited for.
        """
        while self._step >= int(time()) // STEP_S + 1:
            sleep(1)
        self._step = max(self._step + 1, int(time() + TYPING_S) // STEP_S - 1)
        return pyotp.TOTP(self._secret).at(for_time=self._step * STEP_S)

    # ------------------------------------------------------------------- documents

    def fill(self, form: type[Struct], fields: Mapping[str, Any]) -> None:
        """Fill in a form, field by field as the form names them."""
        entries = {one.name: one for one in declared(form)}
        labels = [one.meta.title for one in declared(form)]
        for name, value in fields.items():
            one = entries[name]
            kind, label = one.entry.kind.value, str(one.meta.title)
            which = labels[: list(entries).index(name)].count(label)  # two dates may each have a time
            if kind == "flags":
                group = self.page.get_by_role("group", name=self.say(label), exact=True)
                choices: Any = one.entry.choices
                for bit, text in choices.items():
                    group.get_by_label(self.say(text), exact=True).set_checked(bool(value & bit))
            elif kind == "check":
                self.page.get_by_label(self.say(label), exact=True).set_checked(bool(value))
            elif kind == "choice":
                self.field(label).nth(which).select_option(str(int(value)))
            else:
                self.field(label).nth(which).fill(str(value))

    def order(self, kind_name: str, **options: Any) -> str:
        """Make a document on its pages: choose the kind, fill in, look at what it would do, do it.  Its address."""
        self.go("/documents/new")
        self.show("what-can-be-done")
        self._click(self.page.locator("main").get_by_role("link", name=self.say(KINDS[kind_name].label), exact=True))
        return self.finish(kind_name, **options)

    def finish(
        self, kind_name: str, *, remark: str = "", is_done: bool = True, picture: str = "", **fields: Any
    ) -> str:
        """The rest of it, on the form of a kind, wherever that was opened."""
        self.fill(KINDS[kind_name].form, fields)
        if remark:
            self.field("Why").fill(remark)
        self.press("Show what it would do")
        self.look(picture or "preview")
        if picture:
            self.show(picture)
        assert self.page.locator("button[name=what][value=send]").count(), self.page.locator("main").inner_text()
        self._click(self.page.locator("button[name=what][value=send]"))
        address = self.page.url.removeprefix(self.company.address)
        if is_done:
            self.wait_until_done()
        else:
            self.see("Waits for a second person")
        return address

    def refused(self, kind_name: str, **fields: Any) -> str:
        """Try a document that cannot be done; the words of the page."""
        self.go(f"/documents/new/{kind_name}")
        self.fill(KINDS[kind_name].form, fields)
        self.press("Show what it would do")
        assert not self.page.locator("button[name=what][value=send]").count()
        return self.page.locator("main").inner_text()

    def number_of(self, name: str) -> int:
        """A user's number, as the choice of a form has it."""
        option = self.page.locator("option").filter(has_text=f"({name})").first
        return int(option.get_attribute("value") or 0)

    def eventually(self, look: Callable[[], object], text: str) -> None:
        """Look again until a text stands there: the follower is a moment behind the switch."""
        for _ in range(LOOKS_MAX):
            look()
            if self.page.get_by_text(text).count():
                return
            sleep(LOOK_S)
        raise AssertionError(f"{self.page.url}: expected {text}, got {self.page.locator('main').inner_text()}")

    def agree(self, address: str, answer: str = "") -> None:
        """Be the second person of a document that waits; it is done then."""
        self.go("/documents?whose=waiting")
        self._click(self.page.locator(f"a[href='{address}']").first)
        self.show("second-person")
        for _ in range(2):  # at the first time a dynamic password may be asked for
            if answer:
                self.field("Your answer").fill(answer)
            self._click(self.page.locator("form[action$='/approve'] button").first)
            if not self.page.locator("form[action$='/approve']").count():
                break
        self.wait_until_done()

    def wait_until_done(self) -> None:
        """Until a document is done, to the last request."""
        state = self.page.locator("h1 .state")
        assert state.count(), self.page.locator("main").inner_text()
        running = {self.say("Running"), self.say("Waits for a second person")}
        self.page.wait_for_function(
            "texts => !texts.includes(document.querySelector('h1 .state')?.textContent.trim())", arg=list(running)
        )
        assert state.inner_text() == self.say("Done"), self.page.locator("main").inner_text()
