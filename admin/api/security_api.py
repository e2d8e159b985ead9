"""For security staff: how keys stand (never a key), the blacklist, media, rules for abnormal transactions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from sqlalchemy import select

from admin.abnormal.rules import MOVES, Rule, handle_hit, hits_page, put_rule, rules_seen
from admin.access import Visitor, needs
from admin.blacklist import BlacklistFilter, blacklist_count, blacklist_page
from admin.documents.key_kinds import PURPOSES, next_version
from admin.documents.medium_kinds import policy_of
from admin.i18n import translate
from admin.keys.facts import desk_state
from admin.keys.overview import key_groups, key_orders, steps_of, stored_key_count, terminal_keys
from admin.models.mirror import medium_policies, travel_times
from admin.models.security import AbnormalHit
from admin.rights import Action
from switch.protocol.messages import KeyState

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Key, Limit, Number, Page, SmallNumber, Text, api_get, api_post, api_put, filled, page_of
from .records import MediumPolicy
from .words import STATUS_WORDS, words_of

TAG = "Security"
KEY_STATE_WORDS = {0: "", **words_of(KeyState)}
PURPOSE_MAX = 255
NO_ZERO = r"^[^\x00]*$"
RuleBody = body_of(Rule, "AbnormalRuleChange")


class KeyVersion(msgspec.Struct):
    """One version of a key on both sides; its check value says whether they are the same."""

    version: int
    switch_state: str
    """new, active, retired; empty: the switch does not know it."""
    ring_state: str
    """The same of the keyring; empty also when the key desk has not told."""
    check_value: str
    is_same_check: bool
    kek_version: int
    changed_date: int
    operator_id: int
    approver_id: int
    rest_count: int | None
    """What rests on it: media, stored keys; null: nobody can count."""


class KeyPurposeItem(msgspec.Struct):
    """A key of the issuer with all its versions."""

    purpose: int
    label: str
    versions: list[KeyVersion]
    active_version: int
    rest_count: int | None


class KeyStepItem(msgspec.Struct):
    """One step of an order about keys."""

    number: int
    state: str
    subject: str


class KeyOrderItem(msgspec.Struct):
    """A document about keys."""

    id: int
    kind: str
    state: str
    maker_id: int
    checker_id: int
    made_ms: int
    steps: list[KeyStepItem]


class TerminalKeyCount(msgspec.Struct):
    """Active terminals by the version of their own key."""

    key_version: int
    count: int


class Keys(msgspec.Struct):
    """How all keys stand."""

    purposes: list[KeyPurposeItem]
    orders: list[KeyOrderItem]
    """The last documents about keys, newest first."""
    terminal_keys: list[TerminalKeyCount]
    renewing_terminal_count: int
    stored_key_count: int
    """Active media with a random key of their own."""
    desk_heard_ms: int
    """When the key desk last told; 0: never."""
    desk_problem: str


class KeyDetails(msgspec.Struct):
    """One key."""

    key: KeyPurposeItem
    next_version: int


class BlacklistItem(msgspec.Struct):
    """A card on the blacklist, since when, through which store, by which document and why."""

    card: str
    card_reference: str
    status: str
    time_ms: int | None
    business_date: int | None
    store_id: int | None
    document_id: int | None
    remark: str | None


class Blacklist(msgspec.Struct):
    """Cards on the blacklist, by number."""

    rows: list[BlacklistItem]
    next: str | None
    count: int
    """Of all that are seen."""


class BlacklistSearch(msgspec.Struct, forbid_unknown_fields=True):
    """Cards whose number begins so; it is in the body, for addresses are logged."""

    number: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    after: Annotated[str, msgspec.Meta(max_length=40)] = ""


class MediumPolicyItem(msgspec.Struct):
    """What media of a card type may do, as the document kind put-medium-policy takes it."""

    policy: MediumPolicy
    operator_id: int
    approver_id: int


class WayItem(msgspec.Struct):
    """How long somebody needs from one store to another, at least."""

    store_id: int
    other_store_id: int
    minutes: int


class MediaSettings(msgspec.Struct):
    """Policies by card type, and ways between stores."""

    policies: list[MediumPolicyItem]
    ways: list[WayItem]


class AbnormalRuleItem(msgspec.Struct):
    """A rule for abnormal transactions."""

    id: int
    name: str
    pattern: str
    is_enabled: bool
    store_id: int
    count_min: int
    amount_minor: int
    minutes: int
    from_minute: int
    until_minute: int
    made_by: int
    made_ms: int


class AbnormalItem(msgspec.Struct):
    """What a rule has found."""

    id: int
    rule_id: int
    rule: str
    pattern: str
    state: str
    """new, acknowledged, cleared or confirmed."""
    sequence: int
    """Entry that made it one."""
    time_ms: int
    business_date: int
    card: str
    card_reference: str
    terminal_id: int
    store_id: int
    other_store_id: int
    amount_minor: int
    count: int
    handled_by: int
    handled_ms: int | None
    reason: str
    next_states: list[str]


class Handling(msgspec.Struct, forbid_unknown_fields=True):
    """What was found out."""

    state: Annotated[str, msgspec.Meta(max_length=20, pattern=NO_ZERO, description="acknowledged, cleared, confirmed")]
    reason: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)] = ""
    """Clearing and confirming ask for one."""


@api_get("/api/v1/keys", guards=[needs("keys")], tag=TAG)
def list_keys(request: Request[Visitor, Any, Any]) -> Keys:
    """All keys of the issuer on both sides, and the orders about them; never a key."""
    service = request.app.state.service
    with service.database.read() as session:
        state, facts = desk_state(session, service.settings.partition)
        orders = key_orders(session, request.user)
        steps = steps_of(session, [order.id for order in orders])
        own = terminal_keys(session)
        return Keys(
            purposes=[_purpose(group) for group in key_groups(session, facts)],
            orders=[
                filled(KeyOrderItem, one, steps=[filled(KeyStepItem, step) for step in steps.get(one.id, ())])
                for one in orders
            ],
            terminal_keys=[TerminalKeyCount(version, count) for version, count in own.by_version],
            renewing_terminal_count=own.renewing_count,
            stored_key_count=stored_key_count(session),
            desk_heard_ms=state.heard_ms if state is not None else 0,
            desk_problem=state.problem if state is not None else "",
        )


@api_get("/api/v1/keys/{purpose:int}", guards=[needs("keys")], tag=TAG)
def get_key(request: Request[Visitor, Any, Any], purpose: FromPath[int]) -> KeyDetails:
    """One key: its versions, what rests on each, and the number of the next one."""
    service = request.app.state.service
    if purpose not in PURPOSES:
        raise NotFoundException(detail="There is no such key.")
    with service.database.read() as session:
        _state, facts = desk_state(session, service.settings.partition)
        return KeyDetails(_purpose(key_groups(session, facts, purpose)[0]), next_version(session, purpose))


@api_get("/api/v1/blacklist", guards=[needs("blacklist")], tag=TAG)
def list_blacklist(
    request: Request[Visitor, Any, Any],
    reason: Text = "",
    since: SmallNumber = None,
    store: Number = None,
    after: Key = "",
    limit: Limit = 50,
) -> Blacklist:
    """Cards on the blacklist; `since` is a business date."""
    return _blacklist(request, BlacklistFilter(reason, since or 0, store), "", after, limit)


@api_post("/api/v1/blacklist/search", guards=[needs("blacklist")], tag=TAG, status=200)
def search_blacklist(request: Request[Visitor, Any, Any], data: JSONBody[BlacklistSearch]) -> Blacklist:
    """Cards on the blacklist by the beginning of their number, as far as it is shown, or by the whole number."""
    return _blacklist(request, BlacklistFilter(), data.number, data.after, data.limit)


@api_get("/api/v1/media", guards=[needs("media")], tag=TAG)
def get_media(request: Request[Visitor, Any, Any]) -> MediaSettings:
    """What media of each card type may do, and the ways between stores."""
    with request.app.state.service.database.read() as session:
        rows = session.execute(select(medium_policies).order_by(medium_policies.c.code)).all()
        ways = session.execute(select(travel_times).limit(1_000)).all()
    policies = [filled(MediumPolicyItem, row, policy=filled(MediumPolicy, policy_of(row))) for row in rows]
    return MediaSettings(policies, [filled(WayItem, way) for way in ways])


@api_get("/api/v1/abnormal", guards=[needs("abnormal")], tag=TAG)
def list_hits(
    request: Request[Visitor, Any, Any], stage: Text = "", rule: Number = None, before: Number = None, limit: Limit = 50
) -> Page[AbnormalItem]:
    """What rules have found, newest first; `stage` is a state."""
    with request.app.state.service.database.read() as session:
        found = hits_page(session, request.user, state=stage, rule_id=rule, before=before, limit=limit)

        def item(row: Any) -> AbnormalItem:
            hit: AbnormalHit = row[0]
            visitor, references = request.user, request.app.state.references
            return filled(
                AbnormalItem,
                hit,
                rule=row[1],
                pattern=row[2],
                card=visitor.card_number(hit.card_number) if hit.card_number else "",
                card_reference=references.make(hit.card_number) if hit.card_number else "",
                next_states=[str(state) for state, froms in MOVES.items() if hit.state in froms],
            )

        return page_of(found, limit, item, lambda row: row[0].id)


@api_post("/api/v1/abnormal/{hit_id:int}/handle", guards=[needs("abnormal", Action.CHANGE)], tag=TAG, status=200)
def handle(request: Request[Visitor, Any, Any], hit_id: FromPath[int], data: JSONBody[Handling]) -> Done:
    """Acknowledge, clear or confirm what a rule has found."""
    handle_hit(request.app.state.service, request.user, hit_id, data.state, data.reason)
    return Done(str(hit_id))


@api_get(
    "/api/v1/abnormal/rules",
    guards=[needs("abnormal")],
    tag=TAG,
)
def list_rules(request: Request[Visitor, Any, Any]) -> list[AbnormalRuleItem]:
    """Rules for abnormal transactions."""
    with request.app.state.service.database.read() as session:
        return [filled(AbnormalRuleItem, row) for row in rules_seen(session, request.user)]


def _make_rule(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Make a rule; it counts for entries from now on."""
    return Done(str(put_rule(request.app.state.service, request.user, None, checked(request, Rule, data))))


def _change_rule(request: Request[Visitor, Any, Any], rule_id: FromPath[int], data: Any) -> Done:
    """Change a rule."""
    return Done(str(put_rule(request.app.state.service, request.user, rule_id, checked(request, Rule, data))))


make_rule = takes(
    api_post(
        "/api/v1/abnormal/rules", guards=[needs("abnormal", Action.ADD)], tag=TAG, pages=("POST /abnormal/rules/new",)
    ),
    _make_rule,
    RuleBody,
)
change_rule = takes(
    api_put(
        "/api/v1/abnormal/rules/{rule_id:int}",
        guards=[needs("abnormal", Action.CHANGE)],
        tag=TAG,
        pages=("GET /abnormal/rules/{rule_id}", "POST /abnormal/rules/{rule_id}"),
    ),
    _change_rule,
    RuleBody,
)
get_rule_form = form_handler(
    "/api/v1/abnormal/rules/form",
    Rule,
    guards=[needs("abnormal", Action.ADD)],
    tag=TAG,
    pages=("GET /abnormal/rules/new",),
)


def _purpose(group: Any) -> KeyPurposeItem:
    versions = [
        filled(
            KeyVersion,
            row,
            switch_state=KEY_STATE_WORDS.get(row.switch_state, ""),
            ring_state=KEY_STATE_WORDS.get(row.ring_state, ""),
        )
        for row in group.rows
    ]
    return filled(KeyPurposeItem, group, label=translate(group.label), versions=versions, active_version=group.active)


def _blacklist(
    request: Request[Visitor, Any, Any], wanted: BlacklistFilter, typed: str, after: str, limit: int
) -> Blacklist:
    visitor, references = request.user, request.app.state.references
    with request.app.state.service.database.read() as session:
        behind = references.read(after)
        found = blacklist_page(session, visitor, wanted, typed=typed, after=behind, limit=limit)
        count = int(session.scalar(blacklist_count(visitor)) or 0)

    def item(row: Any) -> BlacklistItem:
        return filled(
            BlacklistItem,
            row,
            card=visitor.card_number(row.card_number),
            card_reference=references.make(row.card_number),
            status=STATUS_WORDS.get(row.status, str(row.status)),
        )

    page = page_of(found, limit, item, lambda row: references.make(row.card_number))
    return Blacklist(page.rows, page.next, count)


HANDLERS = [
    list_keys,
    get_key,
    list_blacklist,
    search_blacklist,
    get_media,
    list_hits,
    handle,
    list_rules,
    make_rule,
    change_rule,
    get_rule_form,
]
