"""Rules: the sets, one set in words, and the panel that tries a bill at the switch."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.documents.terminals import link_of
from admin.errors import RefusedError
from admin.figures import newest_date
from admin.forms import Bound, FormContext, bind, fields_of
from admin.pricing.rule_kinds import rule_form
from admin.pricing.rules import next_set, rules_of, sets, specificity
from admin.pricing.trial import Outcome, TrialForm, try_bill
from admin.pricing.wording import ACTIONS, LAYERS, names_of, rule_in_words
from admin.rights import Action
from admin.words import CODES
from switch.protocol.messages import RuleLayer, RulesetState

from .common import page, refusal_text, with_query
from .handlers import get
from .ledger_view import filled_address

_ = str
STATES: dict[int, str] = {RulesetState.DRAFT: _("Draft"), RulesetState.ACTIVE: _("Activated")}


@get("/rules", guards=[needs("rules")])
def list_sets(request: Request[Visitor, Any, Any]) -> Template:
    """Sets of rules, the newest first, and which one holds today."""
    with request.app.state.service.database.read() as session:
        rows = sets(session, newest_date(session))
        new_set = next_set(session)
    in_force = next((row.ruleset for row in rows if row.is_in_force), 0)
    return page(
        request,
        "rules.html",
        rows=rows,
        states=STATES,
        may_change=request.user.may("rules", Action.CHANGE),
        new_address=with_query("/documents/new/put-rule", {"ruleset": new_set}),
        copy_address=with_query("/documents/new/copy-rules", {"ruleset": in_force, "into": new_set})
        if in_force
        else "",
    )


@get("/rules/{ruleset:int}", guards=[needs("rules")])
def show_set(request: Request[Visitor, Any, Any], ruleset: FromPath[int]) -> Template:
    """One set: its rules by layer, those that count first above, each in words."""
    with request.app.state.service.database.read() as session:
        row = next((row for row in sets(session, newest_date(session)) if row.ruleset == ruleset), None)
        if row is None:
            raise NotFoundException(detail="There is no such set of rules.")
        context = FormContext(session, request.user, request.app.state.references)
        names = names_of(session)
        layers: list[tuple[str, list[tuple[Any, str, int, str]]]] = []
        found = rules_of(session, ruleset)
        for layer in RuleLayer:
            shown = [
                (
                    rule,
                    rule_in_words(rule, names),
                    specificity(rule),
                    filled_address("put-rule", rule_form(rule), context),
                )
                for rule in found
                if rule.layer == layer
            ]
            if shown:
                layers.append((LAYERS[layer], sorted(shown, key=lambda one: (-one[2], -one[0].priority, one[0].rule))))
        new_set = next_set(session)
    return page(
        request,
        "rule_set.html",
        row=row,
        layers=layers,
        states=STATES,
        actions=ACTIONS,
        is_draft=row.state == RulesetState.DRAFT,
        may_change=request.user.may("rules", Action.CHANGE),
        new_set=new_set,
    )


@get("/rules/try", guards=[needs("rules")])
def show_trial(request: Request[Visitor, Any, Any], ruleset: FromQuery[str] = "") -> Template:
    """A bill to type in."""
    given = Bound[Any](None, typed={"ruleset": [ruleset], "settlement": ["0"]})
    return _trial_page(request, given, "", None)


@post("/rules/try", guards=[needs("rules")], status_code=200)
async def do_trial(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Ask the switch what the bill would cost and earn."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_try, request, texts)


HANDLERS: list[Any] = [list_sets, show_set, show_trial, do_trial]


def _try(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        bound = bind(TrialForm, texts, FormContext(session, visitor, request.app.state.references))
    if bound.value is None:
        return _trial_page(request, bound, "", None)
    try:
        outcome = try_bill(
            service,
            visitor,
            lambda store_id: link_of(service.settings, store_id, service.surroundings.random_bytes),
            bound.value,
        )
    except RefusedError as error:
        return _trial_page(request, bound, refusal_text(error), None)
    return _trial_page(request, bound, "", outcome)


def _trial_page(
    request: Request[Visitor, Any, Any], bound: Bound[Any], problem: str, outcome: Outcome | None
) -> Template:
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        return page(
            request,
            "rules_try.html",
            fields=fields_of(TrialForm, context, bound),
            problem=problem,
            outcome=outcome,
            answer=CODES.get(outcome.reply.code, str(outcome.reply.code)) if outcome else "",
        )
