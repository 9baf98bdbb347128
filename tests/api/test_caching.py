"""What the API answers about people stays in no cache."""

from http import HTTPStatus

import pytest
from django.test import Client

from dsar.models import Task

REQUESTS = "/api/v1/requests/"


def test_an_answer_about_a_person_is_not_to_be_stored(browser: Client, task: Task) -> None:
    for path in (REQUESTS, f"{REQUESTS}{task.request.reference}/"):
        answer = browser.get(path)
        assert (answer.status_code, answer["Cache-Control"]) == (HTTPStatus.OK, "no-store")


@pytest.mark.parametrize(("path", "status"), [(REQUESTS, 401), ("/api/v1/nothing/", 404)])
def test_nor_is_an_error(anybody: Client, path: str, status: int) -> None:
    answer = anybody.get(path)
    assert (answer.status_code, answer["Cache-Control"]) == (status, "no-store")


def test_the_published_keys_may_be_cached(anybody: Client) -> None:
    assert "no-store" not in anybody.get("/.well-known/jwks.json").headers.get("Cache-Control", "")
