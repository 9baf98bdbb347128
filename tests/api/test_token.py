"""Where OAuth has no words for what went wrong, the token endpoint says it as the rest of the API does."""

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
def test_what_is_no_form_is_a_problem(anybody: Client, body: bytes, kind: str) -> None:
    answer = anybody.post(TOKEN, body, content_type=kind)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROBLEM)
    assert answer.json()["type"] == "/problems/invalid"


def test_a_form_that_is_too_large_is_a_problem(anybody: Client) -> None:
    answer = anybody.post(TOKEN, b"scope=" + b"a" * 3_000_000, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


def test_a_token_is_in_no_cache(stage: Cast, anybody: Client) -> None:
    made = make_program(stage.lindwerk)
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.secret}
    answer = anybody.post(TOKEN, form)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
