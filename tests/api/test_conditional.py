"""Who has an answer already need not take it again; whoever may not see it learns nothing by asking so."""

import re
from uuid import UUID

import pytest
from django.test import Client

from dsar.models import Task
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import sequence
from tests.cast import Cast
from tests.programs import program

SCHEMA = "/api/v1/schema/"
KEYS = "/.well-known/jwks.json"


@pytest.fixture
def entry(task: Task) -> str:
    """The address of the entry that says that the request was accepted."""
    return f"/api/v1/audit/entries/{Entry.objects.get(action='request.accepted').pk}/"


@pytest.fixture
def single(task: Task, entry: str) -> list[str]:
    """What is one thing, with a validator of its own."""
    sequence()
    return [f"/api/v1/requests/{task.request.reference}/", entry, "/api/v1/audit/checkpoint/", KEYS, SCHEMA]


def test_the_same_again_is_said_and_not_sent(browser: Client, single: list[str]) -> None:
    for path in single:
        first = browser.get(path)
        tag = first.headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]{64}"', tag), "a strong one"
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = browser.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag), (path, known)
            assert "Content-Type" not in again.headers
            assert again.headers["Vary"] == first.headers["Vary"]
            assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
            assert again.headers.get("Cache-Control") == first.headers.get("Cache-Control")


def test_what_is_kept_by_a_program_is_still_kept_by_no_cache(browser: Client, single: list[str]) -> None:
    for path in single:
        assert browser.get(path).headers.get("Cache-Control") == (None if path == KEYS else "no-store")


@pytest.mark.parametrize("known", ['"other"', 'W/"other"', "noise", "", '"' + "0" * 64 + '"'])
def test_something_else_is_sent(browser: Client, single: list[str], known: str) -> None:
    for path in single:
        answer = browser.get(path, headers={"if-none-match": known})
        assert (answer.status_code, bool(answer.content)) == (200, True)


def test_what_changed_is_sent_under_another_validator(browser: Client, entry: str) -> None:
    waiting = browser.get(entry).headers["ETag"]
    sequence()
    placed = browser.get(entry, headers={"if-none-match": waiting})
    assert (placed.status_code, placed.json()["epoch"]) == (200, 1)
    assert placed.headers["ETag"] != waiting


def test_each_form_of_the_schema_has_its_own(anybody: Client) -> None:
    as_json, as_yaml = (anybody.get(f"{SCHEMA}?format={form}").headers["ETag"] for form in ("json", "yaml"))
    assert as_json != as_yaml


def test_program_and_staff_who_see_the_same_have_the_same(browser: Client, stage: Cast, single: list[str]) -> None:
    shop = program(stage.lindwerk)
    for path in single[:2]:
        assert shop.get(path).headers["ETag"] == browser.get(path).headers["ETag"]


def test_whoever_may_not_see_a_thing_learns_nothing_by_its_validator(
    browser: Client, stranger: Client, anybody: Client, single: list[str]
) -> None:
    nothing = {single[0]: "/api/v1/requests/LI-000000/", single[1]: f"/api/v1/audit/entries/{UUID(int=0)}/"}
    for path, of_nobody in nothing.items():
        for known in (browser.get(path).headers["ETag"], "*"):
            refused, missing = (stranger.get(where, headers={"if-none-match": known}) for where in (path, of_nobody))
            assert (refused.status_code, refused.content) == (404, missing.content)
            assert set(refused.headers) == set(missing.headers)
            assert "ETag" not in refused.headers
            assert anybody.get(path, headers={"if-none-match": known}).status_code == 401


def test_a_list_has_none_for_it_is_asked_by_cursor(browser: Client, single: list[str]) -> None:
    assert "ETag" not in browser.get("/api/v1/requests/").headers
