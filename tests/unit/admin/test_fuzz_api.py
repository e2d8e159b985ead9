"""Whatever fits the description of the interface, and what does not: no server error, and answers as described.

A short slice by default, the same each time; `make fuzz-api` looks longer, elsewhere each time, and on both databases.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import httpx
import pytest

schemathesis = pytest.importorskip("schemathesis")
from hypothesis import HealthCheck, Phase, given, reject, settings  # noqa: E402  behind what may be missing
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from admin.people.tokens import find_token_visitor  # noqa: E402
from tests.support.admin_databases import KINDS, fresh_database  # noqa: E402
from tests.support.admin_interface import fill  # noqa: E402
from tests.support.admin_office import NORTH_CARD, NORTH_STORE, SOUTH, Office  # noqa: E402
from tests.unit.admin.test_pages import put_entries  # noqa: E402

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = int(os.environ.get("CARDSWITCH_FUZZ_API", "0"))
"""Requests of each operation; 0: the short slice."""
FAMILIES = ("/api/v1/documents/", "/api/v1/reports/")
"""Operations that one piece of code makes for each kind of document and each report: the short slice has some."""
FAMILY_STEP = 3
PAUSE_MS = 6_001
"""Between requests: fewer in a minute than any parameter can allow."""


@pytest.fixture(scope="module", params=KINDS if EXAMPLES else KINDS[:1])
def fuzzed(request, tmp_path_factory) -> Iterator[Office]:
    """A service with something of everything in it."""
    folder = tmp_path_factory.mktemp("fuzzed")
    database = fresh_database(request.param, request, folder)
    office = Office(database, folder)
    office.put_two_regions()
    office.add_user("boss", "administrator")
    office.add_user("sam", "store-manager", organisation_id=SOUTH)
    put_entries(office, 3, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    fill(office)
    yield office
    database.close()


def slice_of(operations):
    """All operations; in the short slice every third of those that are made alike."""
    alike = 0
    for operation in operations:
        if not EXAMPLES and operation.path.startswith(FAMILIES) and "{" not in operation.path:
            alike += 1
            if alike % FAMILY_STEP:
                continue
        yield operation


def test_no_request_breaks_the_interface_and_every_answer_is_as_described(fuzzed):
    with fuzzed.program(fuzzed.token("boss")) as program:
        schema = schemathesis.openapi.from_dict(program.get("/schema/openapi.json").json())
        operations = list(slice_of([found.ok() for found in schema.get_all_operations()]))
        assert len(operations) > 200
        seen: dict[int, int] = {}

        def ask(case):
            fuzzed.world.now_ms += PAUSE_MS
            sent = case.as_transport_kwargs(base_url="http://testserver.local")
            names = ("method", "url", "params", "json", "data", "headers")
            wanted = {name: sent[name] for name in names if sent.get(name) is not None}
            wanted["headers"] = {**wanted.get("headers", {}), "authorization": program.headers["authorization"]}
            if isinstance(wanted.get("data"), str | bytes):
                wanted["content"] = wanted.pop("data")
            try:
                answer = program.request(**wanted)
            except httpx.InvalidURL:  # the client's own rules: it never got to us
                reject()
            token = program.headers["authorization"].removeprefix("Bearer ")
            if find_token_visitor(fuzzed.service, token, "") is None:  # it has ended its own token, which it may
                program.headers["authorization"] = f"Bearer {fuzzed.token('boss')}"
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            case.validate_response(answer, checks=CHECKS)

        look = settings(
            max_examples=EXAMPLES or 1,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                has_input = operation.body or operation.query or operation.path_parameters
                if mode is GenerationMode.POSITIVE or has_input:
                    look(given(case=operation.as_strategy(generation_mode=mode))(ask))()
    assert {200, 201, 400, 404, 409} <= seen.keys(), seen


def test_the_bounds_of_every_parameter_hold_on_both_sides(fuzzed):
    fuzzed.world.now_ms += 60_000
    with fuzzed.program(fuzzed.token("boss")) as program:
        tried = 0
        known: set[str] = set()
        for path, methods in program.get("/schema/openapi.json").json()["paths"].items():
            if "get" not in methods or "{" in path:
                continue
            for parameter in methods["get"].get("parameters", ()):
                schema = parameter["schema"]
                for one in schema.get("oneOf", ()):  # a number or nothing
                    schema = schema | one if one.get("type") == "integer" else schema
                texts: dict[str, int | None] = {"": None, "a" * 201: None, "\0": None, "٣": None}
                declared = json.dumps([parameter["name"], schema], sort_keys=True)
                if declared in known and not EXAMPLES:  # one that is declared alike elsewhere: its largest value alone
                    texts = {}
                if schema.get("type") == "integer":
                    least, most = int(schema.get("minimum", 0)), int(schema.get("maximum", 2**63 - 1))
                    texts |= {str(most): 200}
                    texts |= {} if declared in known else {str(least): 200, str(least - 1): 400, str(most + 1): 400}
                known.add(declared)
                for text, status in texts.items():
                    fuzzed.world.now_ms += PAUSE_MS
                    answer = program.get(path, params={parameter["name"]: text})
                    assert answer.status_code < 500, (path, parameter["name"], text)
                    is_no_choice = answer.status_code == 400 and "Choose one of the list" in answer.text
                    assert is_no_choice or status in (None, answer.status_code), (path, parameter["name"], text)
                    tried += 1
    assert tried > 200
