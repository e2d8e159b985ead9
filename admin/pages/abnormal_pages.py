"""Abnormal transactions: what rules have found, handled with a reason, and the rules themselves."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.abnormal.patterns import PATTERNS
from admin.abnormal.rules import MOVES, STATES, Rule, handle_hit, hits_page, put_rule, rules_seen
from admin.access import Visitor, needs
from admin.documents.reading import names_of
from admin.errors import RefusedError
from admin.forms import FormContext, bind, fields_of
from admin.models.security import AbnormalRule, AbnormalState
from admin.rights import Action

from .common import PAGE_ROWS, go, is_part_wanted, number_in, page, refusal_text, with_query
from .handlers import get

_ = str
TONES: dict[str, str] = {
    AbnormalState.NEW: "bad",
    AbnormalState.ACKNOWLEDGED: "warn",
    AbnormalState.CONFIRMED: "bad",
}


@get("/abnormal", guards=[needs("abnormal")])
def list_hits(
    request: Request[Visitor, Any, Any],
    stage: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """What rules have found, newest first."""
    visitor, references = request.user, request.app.state.references
    with request.app.state.service.database.read() as session:
        found = hits_page(
            session, visitor, state=stage, rule_id=number_in(rule), before=number_in(before), limit=PAGE_ROWS
        )
        rules = rules_seen(session, visitor)
        names = names_of(session, [hit.handled_by for hit, _name, _pattern in found])
    rows = [
        {
            "hit": hit,
            "rule": name,
            "pattern": PATTERNS[pattern].label if pattern in PATTERNS else pattern,
            "card": visitor.card_number(hit.card_number) if hit.card_number else "",
            "reference": references.make(hit.card_number) if hit.card_number else "",
            "moves": [state for state, froms in MOVES.items() if hit.state in froms],
        }
        for hit, name, pattern in found[:PAGE_ROWS]
    ]
    last = found[PAGE_ROWS - 1][0].id if len(found) > PAGE_ROWS else None
    return page(
        request,
        "_abnormal_rows.html" if is_part_wanted(request) else "abnormal.html",
        rows=rows,
        rules=rules,
        stage=stage,
        rule=rule,
        names=names,
        hit_states=STATES,
        hit_tones=TONES,
        may_handle=visitor.may("abnormal", Action.CHANGE),
        is_first=not before,
        next_address=with_query("/abnormal", {"stage": stage, "rule": rule, "before": last}) if last else None,
    )


@post("/abnormal/{hit_id:int}/handle", guards=[needs("abnormal", Action.CHANGE)], status_code=200)
async def do_handle(request: Request[Visitor, Any, Any], hit_id: FromPath[int]) -> Response[Any]:
    """Acknowledge, clear or confirm."""
    sent = await request.form()
    state, reason = str(sent.get("state", "")), str(sent.get("reason", ""))
    await to_thread.run_sync(handle_hit, request.app.state.service, request.user, hit_id, state, reason)
    return go(request, "/abnormal")


@get("/abnormal/rules", guards=[needs("abnormal")])
def list_rules(request: Request[Visitor, Any, Any]) -> Template:
    """Rules, and the patterns that there are."""
    with request.app.state.service.database.read() as session:
        rules = rules_seen(session, request.user)
        names = names_of(session, [rule.made_by for rule in rules])
    return page(
        request,
        "abnormal_rules.html",
        rules=rules,
        names=names,
        patterns=PATTERNS,
        may_add=request.user.may("abnormal", Action.ADD),
        may_change=request.user.may("abnormal", Action.CHANGE),
    )


@get("/abnormal/rules/new", guards=[needs("abnormal", Action.ADD)])
def new_rule(request: Request[Visitor, Any, Any]) -> Template:
    """The form of a rule."""
    return _form_page(request, None, {"is_enabled": ["on"]})


@post("/abnormal/rules/new", guards=[needs("abnormal", Action.ADD)], status_code=200)
async def do_new_rule(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Make a rule."""
    return await to_thread.run_sync(_take_rule, request, None, await _texts(request))


@get("/abnormal/rules/{rule_id:int}", guards=[needs("abnormal", Action.CHANGE)])
def show_rule(request: Request[Visitor, Any, Any], rule_id: FromPath[int]) -> Template:
    """The form of a rule that there is."""
    return _form_page(request, rule_id, None)


@post("/abnormal/rules/{rule_id:int}", guards=[needs("abnormal", Action.CHANGE)], status_code=200)
async def do_change_rule(request: Request[Visitor, Any, Any], rule_id: FromPath[int]) -> Response[Any]:
    """Change a rule."""
    return await to_thread.run_sync(_take_rule, request, rule_id, await _texts(request))


HANDLERS: list[Any] = [list_hits, do_handle, list_rules, new_rule, do_new_rule, show_rule, do_change_rule]


async def _texts(request: Request[Visitor, Any, Any]) -> dict[str, list[str]]:
    sent = await request.form()
    return {name: [str(text) for text in sent.getall(name)] for name in sent}


def _form_page(
    request: Request[Visitor, Any, Any],
    rule_id: int | None,
    texts: dict[str, list[str]] | None,
    problem: str = "",
) -> Template:
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        if texts is not None and "name" in texts:
            drawn = fields_of(Rule, context, bind(Rule, texts, context))
        else:
            filled = _rule(session, request.user, rule_id) if rule_id is not None else _EMPTY
            drawn = fields_of(Rule, context, None, filled)
    return page(
        request,
        "abnormal_rule.html",
        fields=drawn,
        problem=problem,
        rule_id=rule_id,
        patterns=PATTERNS,
        http_status=409 if problem else 200,
    )


_EMPTY = Rule(name="", pattern="", is_enabled=True)


def _rule(session: Any, visitor: Visitor, rule_id: int) -> Rule:
    found = session.get(AbnormalRule, rule_id)
    if found is None or found not in rules_seen(session, visitor):
        raise NotFoundException(detail="There is no such rule.")
    return Rule(**{name: getattr(found, name) for name in Rule.__struct_fields__})


def _take_rule(request: Request[Visitor, Any, Any], rule_id: int | None, texts: dict[str, list[str]]) -> Response[Any]:
    service, visitor = request.app.state.service, request.user
    texts.setdefault("name", [""])
    with service.database.read() as session:
        bound = bind(Rule, texts, FormContext(session, visitor, request.app.state.references))
    if bound.value is None:
        return _form_page(request, rule_id, texts)
    try:
        put_rule(service, visitor, rule_id, bound.value)
    except RefusedError as error:
        return _form_page(request, rule_id, texts, refusal_text(error))
    return go(request, "/abnormal/rules")
