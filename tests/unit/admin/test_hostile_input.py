"""Whatever is typed into addresses and forms, nothing breaks inside: answers are below 500, and nobody is let in."""

import pytest

from tests.support.admin_office import PASSWORD

TEXTS = [
    "\0",
    "9" * 40,
    "-1",
    "1e9",
    "' OR 1=1 --",
    "%_\\",
    "٣٣",
    "🂡" * 60,
    "a" * 5_000,
    "\ud7ff",
    "<script>alert(1)</script>",
]
LISTS = {
    "/cards": ("q", "status", "after", "type", "store", "organisation", "member", "expires_from", "expires_until"),
    "/desk": ("card",),
    "/card-types": ("stage",),
    "/card-types/1": ("old", "new"),
    "/authorisations": ("type", "before"),
    "/authorisations/new": ("type",),
    "/documents/new/make-cards": ("first", "card_type"),
    "/documents/new/write-card-type": ("code", "functions"),
    "/entries": ("card", "type", "code", "store", "before"),
    "/alarms": ("stage", "kind", "store", "before"),
    "/abnormal": ("stage", "rule", "before"),
    "/blacklist": ("q", "reason", "since", "store", "after"),
    "/terminals": ("q", "store", "stage", "after"),
    "/business-day": ("date", "stage", "after"),
    "/documents/new/put-medium-policy": ("chip_most", "media"),
    "/users": ("q", "after"),
    "/audit": ("user", "module", "object", "outcome", "before"),
    "/dealers": ("q", "after"),
    "/tokens": ("before",),
    "/webhooks/deliveries": ("webhook", "stage", "before"),
    "/members": ("q", "after", "state", "level", "class", "organisation", "tag", "group"),
    "/members/1000001": ("before",),
    "/members/1000001/merge": ("other",),
    "/member-contacts": ("q", "kind", "stage", "before"),
    "/member-churn": ("stage", "kind", "region", "product", "before"),
    "/member-days": ("days",),
    "/member-groups/count": ("mode", "field", "operator", "value"),
    "/member-export": ("q", "group", "form", "whole"),
    "/login": ("next",),
    "/account": ("x",),
}


@pytest.fixture
def browser(office):
    office.put_two_regions()
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as browser:
        yield browser


@pytest.mark.parametrize("address", LISTS)
def test_lists_take_any_text(office, browser, address):
    # PostgreSQL refuses more (zeros in a text, numbers beyond 64 bits), so it gets them all.
    texts = TEXTS[:: 3 if office.database.is_sqlite else 1]
    for name in LISTS[address]:
        for text in texts:
            answer = browser.client.get(address, params={name: text}, follow_redirects=False)
            assert answer.status_code < 500, (name, text)
            assert "<script>alert" not in answer.text


def test_paths_take_any_text(browser):
    for address in ("/cards/", "/users/", "/language/", "/card-types/", "/documents/1/requests/", "/documents/"):
        for text in ("x" * 300, "9" * 40, "%00", "..%2f..%2fetc%2fpasswd", "-1", "a" * 26):
            assert browser.get(address + text).status_code < 500, (address, text)
    for address in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/own/../../app.py"):
        assert browser.get(address).status_code in (400, 404)


def test_forms_take_any_text(office, browser):
    for text in TEXTS:
        for fields in ({"name": text, "password": PASSWORD}, {"name": "boss", "password": text, "code": text}):
            assert browser.post("/login", fields).status_code < 500, text
        fields = {"name": text, "full_name": text, "organisation_id": text, "roles": text, "password": text}
        assert browser.post("/users/new", fields).status_code < 500, text
        assert (
            browser.post("/departments", {"name": text, "organisation_id": text}, page="/organisation").status_code
            < 500
        )
        assert (
            browser.post("/account/password", {"old": text, "new": text, "again": text}, page="/account").status_code
            < 500
        )
        member = {"name": text, "mobile": text, "id_number": text, "birth_date": text, "organisation_id": "0"}
        assert browser.post("/members/new", {**member, "member_number": text}).status_code < 500
        group = {"name": text, "field": ["name", text], "operator": ["contains", "is"], "value": [text, text]}
        assert browser.post("/member-groups/new", group).status_code < 500
        fields = {"name": text, "kind": "choice", "choices": text, "rank": text, "code": text, "name_zh": text}
        for address in ("/member-fields", "/member-codes/class"):
            assert browser.post(address, fields).status_code < 500, address
        office.world.now_ms += 61_000  # attempts of a minute are counted
    huge = {"name": "new", "full_name": "New", "organisation_id": 10**30, "roles": "finance", "password": PASSWORD}
    assert browser.post("/users/new", huge).status_code < 500


def test_the_card_desk_takes_any_text(browser):
    for text in (*TEXTS, "-", "1 - 2 - 3", "12345678 - 9999999999999999999", "18446744073709551615"):
        assert browser.post("/desk", {"cards": text}).status_code < 500, text
        cards = {"what": "preview", "cards": text, "reason": text, "card": text, "new_card": text, "count": text}
        for kind in ("freeze-cards", "replace-card", "set-card-limits"):
            assert browser.post(f"/documents/new/{kind}", cards).status_code < 500, (kind, text)
        fields = {"what": "send", "digest": text, "code": text, "name": text, "functions": text, "from_date": text}
        assert browser.post("/documents/new/write-card-type", fields).status_code < 500, text
        fields = {"card_type": "1", "user_id": text, "from_date": text, "until_date": text, "cards_max": text}
        assert browser.post("/authorisations/new", fields).status_code < 500, text


def test_other_methods_are_refused_without_breaking(browser):
    for address in ("/", "/cards", "/users/1", "/login", "/nowhere"):
        for method in ("OPTIONS", "HEAD", "PUT", "DELETE", "PATCH"):
            headers = {"x-csrftoken": browser.client.cookies["csrftoken"]}
            assert browser.client.request(method, address, headers=headers).status_code < 500, (method, address)
