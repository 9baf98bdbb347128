"""A caller finds its call again by our name for it, which it cannot choose, and by its own, which we do not keep."""

import logging

import pytest
from django.test import Client

from identity_privacy.audit.models import Entry
from tests.cast import Cast
from tests.programs import TOKEN, make_program

CHECKPOINT = "/api/v1/audit/checkpoint/"


@pytest.mark.parametrize("path", [CHECKPOINT, "/api/v1/requests/", "/api/v1/nothing/", "/.well-known/jwks.json"])
def test_a_callers_own_name_comes_back_beside_ours_whatever_the_answer(anybody: Client, path: str) -> None:
    answer = anybody.get(path, headers={"x-request-id": "nightly_sync-17"})
    assert answer.headers["X-Client-Request-ID"] == "nightly_sync-17"
    assert answer.headers["X-Request-ID"] not in {"", "nightly_sync-17"}


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "a b", "a,b", "<b>", "a\n", "a\r\nSet-Cookie: x=y", "%0d%0a", "müller", "٣", "\0"]
)
def test_a_name_of_another_form_is_not_repeated(anybody: Client, name: str) -> None:
    assert "X-Client-Request-ID" not in anybody.get(CHECKPOINT, headers={"x-request-id": name}).headers


def test_the_longest_is(anybody: Client) -> None:
    answer = anybody.get(CHECKPOINT, headers={"x-request-id": "a" * 64})
    assert answer.headers["X-Client-Request-ID"] == "a" * 64


def test_who_sends_none_gets_none(anybody: Client) -> None:
    assert "X-Client-Request-ID" not in anybody.get(CHECKPOINT).headers


def test_it_is_in_no_entry_and_no_log_line(stage: Cast, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = make_program(stage.lindwerk)
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.secret}
    answers = [
        Client(headers={"x-request-id": "from-outside"}).post(TOKEN, form | more) for more in ({}, {"scope": "none"})
    ]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert Entry.objects.filter(request_id=answers[0].headers["X-Request-ID"]).exists()
    assert "from-outside" not in repr(list(Entry.objects.values()))
    assert "from-outside" not in caplog.text
