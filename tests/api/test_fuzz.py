"""The API does what its schema says, whoever sends whatever: data that fits the schema, and data that does not.

Each case is sent by a program, by a member of staff and by nobody; where it is about a thing, about one that there is,
too; and what a linked system reports is signed by it, and not. `make fuzz` searches for longer: `FUZZ_EXAMPLES` of each
operation beside those that are always tried.
"""

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, Final, TypeAlias

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck
from hypothesis import settings as searched
from pytest_django import Settings
from schemathesis.checks import CheckContext, CheckFunction
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from dsar.models import Task
from identity_privacy.access.limits import BAD_SIGNATURES, TOKENS
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import sequence
from identity_privacy.clock import machine_now
from identity_privacy.delivery.models import System
from identity_privacy.delivery.webhooks import sign
from tests.api.partner import inbound_secret
from tests.audit.epochs import open_next_epoch
from tests.audit.witnessed import WITNESS, cosigned, grow
from tests.cast import Cast
from tests.programs import TOKEN, make_program, token_for
from tests.staff import at_work, hire

Case: TypeAlias = schemathesis.Case[Any]
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "10"))
ORIGIN: Final = "http://localhost"
RESULT: Final = "/api/v1/tasks/{task_id}/result/"
COSIGN: Final = "/api/v1/audit/cosignatures/"
CONSISTENCY: Final = "/api/v1/audit/consistency/"
# Of these, what fits the schema may be wrong all the same: which of two numbers is the greater, whether a note is
# signed, what an outcome asks for beside it.
SAY_MORE_THAN_A_SCHEMA: Final = {CONSISTENCY, COSIGN, RESULT}
# As may be a cursor that we did not give, and the kind of a thing without its id.
PARAMETERS_THAT_DO: Final = {"cursor", "actor_kind", "target_kind"}

_ours = WSGIHandler()


def service(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Ours; on the way a linked system's report is signed over its very bytes, in the headers that it has."""
    if secret := environ.pop("HTTP_SIGN_WITH", ""):
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = BytesIO(body)
        at = int(machine_now().timestamp())
        for name, value in sign(message_id="msg_1", timestamp=at, body=body, secrets=[secret]).items():
            key = f"HTTP_{name.upper().replace('-', '_')}"
            environ.update({key: value} if key in environ else {})
    return _ours(environ, start_response)


def published() -> OpenApiSchema:
    """The schema, without what it says of any other error: each status must be one that the operation names."""
    said = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # no types there
    for methods in said["paths"].values():
        for operation in methods.values():
            del operation["responses"]["default"]
    # In CI a run must repeat.
    repeats = searched.get_current_profile_name() == "ci"
    loaded = schemathesis.openapi.from_dict(said, config=schemathesis.Config(seed=1 if repeats else None))
    loaded.app = service
    # What is too large is refused as such, and not as wrong.
    rejection = loaded.config.checks.negative_data_rejection
    rejection.expected_statuses = [*rejection.expected_statuses, "413"]
    return loaded


schema = published()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, and how they show who they are."""

    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Who there is, one of each thing that an address may name, and how calls ended."""

    nobody: Caller
    program: Caller
    staff: Caller
    secret: Caller
    system: Caller
    things: Mapping[str, str]
    note: str
    statuses: set[int] = field(default_factory=set)

    def callers(self, case: Case) -> list[Caller]:
        """Nobody, and whoever may call this operation."""
        own = {TOKEN: [self.secret], RESULT: [self.system]}
        others = [self.program, self.staff] if {"apiToken": []} in _security(case) else own.get(case.path, [])
        return [self.nobody, *others]

    def variants(self, case: Case) -> Iterator[Case]:
        """The case as it is, and the same about what there is."""
        yield case.derive()
        if case.path_parameters or case.path == COSIGN:
            real = case.derive()
            real.path_parameters = {name: self.things[name] for name in case.path_parameters}
            known = {"task": self.things["task_id"], "note": self.note}
            if isinstance(case.body, dict):
                real.body = case.body | {name: known[name] for name in known if name in case.body}
            yield real


@contextmanager
def connections_kept() -> Iterator[None]:
    """As Django's own test client has it: the test's transaction is not over with a request."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def world(
    stage: Cast, task: Task, parcels: System, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    # Limits have tests of their own; here they would end the search.
    settings.API_CALLS_PER_MINUTE = 10**9
    monkeypatch.setattr("dsar.api.task_results.BAD_SIGNATURES", replace(BAD_SIGNATURES, most=10**9))
    monkeypatch.setattr("identity_privacy.access.api.oauth.TOKENS", replace(TOKENS, most=10**9))
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]
    sequence()
    open_next_epoch()
    made = make_program(stage.lindwerk)
    basic = base64.b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    session = at_work(hire("Dana", stage.lindwerk)).cookies["session"].value
    entry = Entry.objects.get(action="request.accepted")
    found = World(
        nobody=Caller(),
        program=Caller(headers={"Authorization": f"Bearer {token_for(made)}"}),
        staff=Caller(cookies={"session": session}),
        secret=Caller(headers={"Authorization": f"Basic {basic}"}),
        system=Caller(headers={"Sign-With": inbound_secret(parcels)}),
        things={"reference": task.request.reference, "task_id": str(task.pk), "entry_id": str(entry.pk)},
        note=cosigned(grow(3)),
    )
    with connections_kept():
        yield found
    assert 200 in found.statuses, "nothing was tried that can be done"


def headers_are_told(context: CheckContext, answer: Response, case: Case) -> bool | None:
    """A header that the schema knows is in it for the answer that has one."""
    told = case.operation.definition.raw["responses"].get(str(answer.status_code))
    if told is not None:
        known = case.operation.schema.raw_schema["components"]["headers"]
        sent = {name for name in known if name.lower() in answer.headers}
        assert sent <= set(told["headers"]), sent
    return None


def _security(case: Case) -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = case.operation.definition.raw["security"]
    return found


def left_out(world: World, caller: Caller, case: Case) -> list[CheckFunction]:
    """Checks that would be wrong here."""
    checks: list[CheckFunction] = []
    if caller in (world.staff, world.system):
        # It takes a cookie, and a signature that is made on the way, for made up. That nobody else gets in is asserted.
        checks.append(ignored_auth)
    if case.path in SAY_MORE_THAN_A_SCHEMA or PARAMETERS_THAT_DO & set(case.query):
        checks.append(positive_data_acceptance)
    return checks


@schema.parametrize()
@searched(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_api_does_what_its_schema_says(case: Case, world: World) -> None:
    needs_proof = all(_security(case)) and case.method.upper() == case.operation.method.upper()
    for caller in world.callers(case):
        for sent in world.variants(case):
            answer = sent.call(ORIGIN, headers=caller.headers, cookies=caller.cookies)
            world.statuses.add(answer.status_code)
            assert answer.status_code < 500, answer.text
            assert not (caller == world.nobody and needs_proof and answer.status_code < 400), "nobody got in"
            sent.validate_response(
                answer,
                headers=caller.headers,
                transport_kwargs={"base_url": ORIGIN, "headers": caller.headers, "cookies": caller.cookies},
                additional_checks=[headers_are_told],
                excluded_checks=left_out(world, caller, sent),
            )
