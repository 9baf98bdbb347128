"""The token endpoint says what went wrong in OAuth's words, and where it has none as the rest of the API does."""

from base64 import b64encode

import pytest
from django.test import Client

from tests.cast import Cast
from tests.programs import TOKEN, make_program

PROBLEM = "application/problem+json"


def test_another_method_is_a_problem(anybody: Client) -> None:
    for method in (anybody.get, anybody.put, anybody.delete):
        answer = method(TOKEN)
        assert (answer.status_code, answer.headers["Content-Type"]) == (405, PROBLEM)
        assert answer.headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--x\r\n", "multipart/form-data; boundary="),
        (b"&".join(b"a" for _ in range(1001)), "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_no_request(anybody: Client, body: bytes, kind: str) -> None:
    answer = anybody.post(TOKEN, body, content_type=kind)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


def test_a_form_that_is_too_large_is_a_problem(anybody: Client) -> None:
    answer = anybody.post(TOKEN, b"scope=" + b"a" * 3_000_000, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


def test_a_secret_of_one_program_under_the_name_of_another_is_no_request(stage: Cast, anybody: Client) -> None:
    made = make_program(stage.lindwerk)
    basic = b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    form = {"grant_type": "client_credentials", "client_id": "another"}
    answer = anybody.post(TOKEN, form, headers={"authorization": f"Basic {basic}"})
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


def test_a_field_without_a_value_is_as_if_it_were_not_there(stage: Cast, anybody: Client) -> None:
    made = make_program(stage.lindwerk)
    basic = b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    empty = {"client_id": "", "client_secret": "", "scope": ""}
    answer = anybody.post(
        TOKEN, {"grant_type": "client_credentials"} | empty, headers={"authorization": f"Basic {basic}"}
    )
    assert (answer.status_code, answer.json().get("scope")) == (200, "see_log see_requests"), answer.text
    answer = anybody.post(TOKEN, {"grant_type": ""}, headers={"authorization": f"Basic {basic}"})
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


def test_a_token_is_in_no_cache(stage: Cast, anybody: Client) -> None:
    made = make_program(stage.lindwerk)
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.secret}
    answer = anybody.post(TOKEN, form)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
