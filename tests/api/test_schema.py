"""The OpenAPI schema is valid, says what can go wrong, shows an example of everything, and is what the views do."""

import base64
from collections.abc import Iterator
from typing import NamedTuple

import jsonschema_rs
import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from dsar.models import Task
from identity_privacy.audit import offline
from identity_privacy.audit.canonical import canonical_json
from identity_privacy.audit.services import sequence
from tests.api.partner import result
from tests.audit.verifier import said
from tests.programs import TOKEN

PROBLEM = "application/problem+json"


class Operation(NamedTuple):
    """One operation of the schema."""

    name: str
    says: dict[str, object]

    def parts(self, name: str) -> Iterator[dict[str, object]]:
        """Each of its parameters, say."""
        found = self.says.get(name, [])
        assert isinstance(found, list)
        for part in found:
            yield _mapping(part)

    def responses(self, *first: str) -> dict[str, dict[str, object]]:
        """By status, of these hundreds."""
        found = _mapping(self.says["responses"])
        return {status: _mapping(answer) for status, answer in found.items() if status[0] in first}


@pytest.fixture
def schema(anybody: Client) -> dict[str, object]:
    answer = anybody.get("/api/v1/schema/?format=json")
    assert answer.status_code == 200
    return _mapping(answer.json())


@pytest.fixture
def operations(schema: dict[str, object]) -> list[Operation]:
    return [
        Operation(f"{method.upper()} {path}", _mapping(operation))
        for path, methods in _mapping(schema["paths"]).items()
        for method, operation in _mapping(methods).items()
    ]


def test_the_schema_is_valid_openapi_3_1_and_made_without_a_warning(
    tmp_path: object, schema: dict[str, object]
) -> None:
    assert schema["openapi"] == "3.1.1"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", f"{tmp_path}/schema.yaml")


def test_every_operation_says_that_its_errors_are_problems(operations: list[Operation]) -> None:
    for operation in operations:
        errors = operation.responses("4", "5", "d")
        assert "default" in errors, operation.name
        problems = {status for status, answer in errors.items() if PROBLEM in _mapping(answer["content"])}
        assert any(status.startswith("4") for status in problems), operation.name
        # The token endpoint's refusals are OAuth's own (RFC 6749, 5.2).
        others = {status for status, answer in errors.items() if list(_mapping(answer["content"])) != [PROBLEM]}
        assert others == ({"400", "401"} if operation.name == f"POST {TOKEN}" else set()), operation.name


def test_each_operation_says_in_which_errors_it_may_end(operations: list[Operation]) -> None:
    statuses = {operation.name: set(operation.responses("2", "3", "4", "5")) for operation in operations}
    assert statuses["GET /.well-known/jwks.json"] == {"200", "304", "406", "429", "503"}
    assert statuses["GET /api/v1/requests/{reference}/"] >= {"200", "304", "401", "404", "429"}
    assert statuses["GET /api/v1/audit/entries/"] >= {"200", "400", "401", "404"}
    assert statuses["GET /api/v1/audit/checkpoint/"] >= {"200", "400", "404"}
    assert statuses["POST /api/v1/audit/cosignatures/"] >= {"200", "400", "403", "409", "413", "415"}
    assert statuses["POST /api/v1/tasks/{task_id}/result/"] >= {"200", "400", "401", "404", "409", "413"}
    assert statuses[f"POST {TOKEN}"] == {"200", "400", "401", "406", "413", "429", "503"}


def test_every_operation_says_what_it_is_for_and_shows_examples(operations: list[Operation]) -> None:
    for operation in operations:
        assert operation.says["summary"], operation.name
        assert operation.says["description"], operation.name
        for parameter in operation.parts("parameters"):
            assert "examples" in parameter or not parameter.get("required"), (operation.name, parameter["name"])
        for described in _bodies(operation):
            assert "examples" in described, operation.name
        for status, answer in operation.responses("1", "2", "3", "4", "5", "d").items():
            assert answer["description"], (operation.name, status)


def test_the_examples_are_what_the_schema_says(schema: dict[str, object], operations: list[Operation]) -> None:
    checked = 0
    for operation in operations:
        for described in [*operation.parts("parameters"), *_bodies(operation)]:
            if "schema" not in described:
                continue
            whole = {"$ref": "#/x", "x": described["schema"], "components": schema["components"]}
            validator = jsonschema_rs.validator_for(whole, validate_formats=True)
            for name, example in _mapping(described.get("examples", {})).items():
                value = _mapping(example)["value"]
                assert [str(error) for error in validator.iter_errors(value)] == [], (operation.name, name)
                checked += 1
    assert checked >= len(operations)


def test_the_examples_of_proofs_verify(operations: list[Operation]) -> None:
    shown = {operation.says["operationId"]: _mapping(_first_example(operation)) for operation in operations}
    keys = shown["signing_keys"]["keys"]
    assert isinstance(keys, list)
    pinned = offline.Pinned([base64.b64encode(base64.urlsafe_b64decode(f"{keys[0]['x']}=")).decode()])
    for name in ("audit_entry_proof", "audit_hand_over"):
        proof = shown[name]
        assert said(offline.verify_proofs([canonical_json(proof)], str(proof["checkpoint"]), pinned))[-1] == (
            "verified"
        )
    note = str(shown["audit_checkpoint"]["note"])
    assert note.startswith(str(shown["audit_entry_proof"]["checkpoint"]))
    assert offline.read_checkpoint(note, pinned).size == shown["audit_checkpoint"]["size"]


def test_an_answers_headers_are_in_the_schema(
    schema: dict[str, object], operations: list[Operation], browser: Client, anybody: Client, task: Task
) -> None:
    sequence()
    ours = set(_mapping(_mapping(schema["components"])["headers"]))
    told = {operation.name: operation for operation in operations}
    reference = f"/api/v1/requests/{task.request.reference}/"
    report = f"/api/v1/tasks/{task.pk}/result/"
    named = {"x-request-id": "nightly-17"}
    for name, answer in (
        ("GET /api/v1/requests/", browser.get("/api/v1/requests/", headers=named)),
        ("GET /api/v1/requests/", anybody.get("/api/v1/requests/")),
        ("GET /api/v1/requests/{reference}/", browser.get(reference)),
        ("GET /api/v1/requests/{reference}/", browser.get(reference, headers={"if-none-match": "*"})),
        ("GET /.well-known/jwks.json", anybody.get("/.well-known/jwks.json")),
        (f"POST {TOKEN}", anybody.post(TOKEN, {"grant_type": "client_credentials"})),
        ("POST /api/v1/tasks/{task_id}/result/", anybody.post(report, result(task.pk), "application/json")),
    ):
        documented = set(_mapping(told[name].responses(str(answer.status_code)[0])[str(answer.status_code)]["headers"]))
        sent = {header for header in ours if header in answer.headers}
        assert sent <= documented, name
        assert documented - sent <= {"X-Client-Request-ID", "RateLimit", "RateLimit-Policy"}, name


def test_who_is_turned_away_is_told_for_how_long_as_the_schema_says(
    operations: list[Operation], anybody: Client, settings: Settings
) -> None:
    settings.API_CALLS_PER_MINUTE = 1
    anybody.get("/.well-known/jwks.json")
    answer = anybody.get("/.well-known/jwks.json")
    (keys,) = (operation for operation in operations if operation.says["operationId"] == "signing_keys")
    documented = _mapping(keys.responses("4")["429"]["headers"])
    assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)
    assert set(documented) >= {"Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-ID"}


def _bodies(operation: Operation) -> Iterator[dict[str, object]]:
    """What is sent, and what comes back where all is well; a 304 has no body."""
    asked = _mapping(operation.says.get("requestBody", {}))
    for described in (asked, *operation.responses("2").values()):
        for content in _mapping(described.get("content", {})).values():
            yield _mapping(content)


def _first_example(operation: Operation) -> object:
    (answer,) = operation.responses("2").values()
    (content,) = _mapping(answer["content"]).values()
    return _mapping(next(iter(_mapping(_mapping(content)["examples"]).values())))["value"]


def _mapping(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
