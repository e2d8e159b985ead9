"""Whatever a page shows or does, the interface can too: each address of a page is paired with an operation.

The page `POST /users/{user_id}` is paired with the operation of the same
method and address behind `/api/v1`, or with the operation that names it in
`pages=(...)`.  A page without one belongs into `EXCEPTIONS`, with a reason;
docs/admin.md, section 12, says how a new page is paired.
"""

import pytest

from tests.unit.admin.test_rights import handlers

PREFIX = "/api/v1"
EXCEPTIONS = {
    "GET /login": "a token takes the place of signing on",
    "POST /login": "a token takes the place of signing on",
    "POST /login/passkey": "a passkey is held by a person in front of a browser",
    "POST /login/passkey/options": "a passkey is held by a person in front of a browser",
    "POST /logout": "a program ends its token: DELETE /api/v1/tokens/{token_id}",
    "GET /setup": "there is no user yet who could own a token",
    "POST /setup": "there is no user yet who could own a token",
    "GET /language/{code}": "a program says its language with each request: Accept-Language",
    "GET /account": "a person's own password, dynamic password and passkeys are not a program's to see",
    "POST /account/password": "who holds a token must not be able to take the account",
    "GET /account/dynamic-password": "the secret is shown to the person once, on his own page",
    "POST /account/dynamic-password": "who holds a token must not be able to take the account",
    "POST /account/passkeys": "a passkey is held by a person in front of a browser",
    "POST /account/passkeys/options": "a passkey is held by a person in front of a browser",
    "POST /account/passkeys/{passkey_id}/remove": "who holds a token must not be able to take the account",
    "GET /step-up": "a token that opens such rights is made right after a dynamic password",
    "POST /step-up": "a token that opens such rights is made right after a dynamic password",
    "POST /step-up/passkey": "a passkey is held by a person in front of a browser",
    "POST /step-up/passkey/options": "a passkey is held by a person in front of a browser",
    "GET /tokens/new": "a token makes no tokens: what it may do must come from a person",
    "POST /tokens/new": "a token makes no tokens: what it may do must come from a person",
    "GET /keys/orders/{document_id}/sign": "an officer signs in person, with a device in front of a browser",
    "POST /keys/orders/{document_id}/sign": "an officer signs in person, with a device in front of a browser",
    "POST /keys/orders/{document_id}/sign/options": "an officer signs in person, with a device in front of a browser",
    "POST /ceremonies/{document_id}/compare": "a custodian reads the form in his own hand",
    "GET /help": "words for people about pages",
    "GET /interface": "the same as /schema/openapi.json, for people",
    "GET /health": "an operation of its own kind: open, and the same for pages and programs",
}
"""Pages that no program needs, each with the reason."""
OTHER_RIGHTS = {
    "GET /documents/new/{kind_name}": "the page and the operation both ask for the kind's right inside",
    "POST /documents/new/{kind_name}": "the operation names the right of its kind, the page looks it up",
}
"""Pairs whose guards differ, each with the reason."""


def is_page(path):
    return not path.startswith(("/api/", "/static", "/schema", "/metrics"))


def pairs(app):
    """Page -> (operation, rights) of those that stand for it; and all pages with their rights."""
    pages: dict[str, set[str]] = {}
    standing: dict[str, dict[str, set[str]]] = {}
    for method, path, needed, handler in handlers(app):
        if is_page(path):
            pages[f"{method} {path}"] = needed
        elif path.startswith(f"{PREFIX}/"):
            operation = f"{method} {path}"
            for page in (operation.replace(PREFIX, "", 1), *handler.opt.get("pages", ())):
                standing.setdefault(page, {})[operation] = needed
    return pages, standing


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.feature("GJ-113")
def test_every_page_has_an_operation_of_the_interface_or_a_reason(office):
    pages, standing = pairs(office.app)
    without = sorted(pages.keys() - standing.keys() - EXCEPTIONS.keys())
    assert not without, f"pair these pages with operations (docs/admin.md, section 12): {without}"
    assert len(pages) > 150


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_exceptions_and_pairs_name_pages_that_there_are(office):
    pages, standing = pairs(office.app)
    assert EXCEPTIONS.keys() <= pages.keys() and not EXCEPTIONS.keys() & standing.keys()
    named = {page for _, _, _, handler in handlers(office.app) for page in handler.opt.get("pages", ())}
    assert named <= pages.keys(), sorted(named - pages.keys())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_operation_asks_for_the_right_that_its_page_asks_for(office):
    pages, standing = pairs(office.app)
    for page, operations in standing.items():
        if page in pages and page not in OTHER_RIGHTS:
            assert any(needed == pages[page] for needed in operations.values()), (page, pages[page], operations)
    assert OTHER_RIGHTS.keys() <= standing.keys()
