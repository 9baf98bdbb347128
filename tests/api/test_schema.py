"""The OpenAPI schema is valid, says what can go wrong, and is what the views do."""

import pytest
from django.core.management import call_command
from django.test import Client


@pytest.fixture
def schema(anybody: Client) -> dict[str, object]:
    answer = anybody.get("/api/v1/schema/?format=json")
    assert answer.status_code == 200
    return _mapping(answer.json())


def test_the_schema_is_valid_openapi_3_1_and_made_without_a_warning(
    tmp_path: object, schema: dict[str, object]
) -> None:
    assert schema["openapi"] == "3.1.1"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", f"{tmp_path}/schema.yaml")


def test_every_operation_says_that_its_errors_are_problems(schema: dict[str, object]) -> None:
    for path, methods in _mapping(schema["paths"]).items():
        for method, operation in _mapping(methods).items():
            responses = _mapping(_mapping(operation)["responses"])
            errors = {status: _mapping(answer) for status, answer in responses.items() if not status.startswith("2")}
            assert "default" in errors, (path, method)
            for status, answer in errors.items():
                content = _mapping(answer["content"])
                assert list(content) == ["application/problem+json"], (path, method, status)


def test_each_operation_says_in_which_errors_it_may_end(schema: dict[str, object]) -> None:
    paths = _mapping(schema["paths"])
    read = _mapping(_mapping(_mapping(paths["/api/v1/requests/{reference}/"])["get"])["responses"])
    assert {"200", "401", "404"} <= set(read)
    found = _mapping(_mapping(_mapping(paths["/api/v1/audit/entries/"])["get"])["responses"])
    assert {"200", "400", "401", "404"} <= set(found)
    report = _mapping(_mapping(_mapping(paths["/api/v1/tasks/{task_id}/result/"])["post"])["responses"])
    assert {"200", "400", "401", "404", "413"} <= set(report)


def _mapping(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
