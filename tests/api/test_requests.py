"""Staff read requests over the API: their own controller's, and no personal data."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dsar.models import Task
from dsar.terms import RequestKind
from identity_privacy.access.models import User
from tests.cast import ALICE_EMAIL, Cast
from tests.factories import make_person, make_request
from tests.staff import at_work

REQUESTS = "/api/v1/requests/"


def test_dana_lists_the_requests_of_her_controller_the_newest_first(browser: Client, stage: Cast, task: Task) -> None:
    second = make_request(stage.lindwerk, stage.bob, RequestKind.ACCESS)
    make_request(stage.otherwerk, stage.charlie, RequestKind.ACCESS)
    answer = browser.get(REQUESTS).json()
    assert [row["reference"] for row in answer["results"]] == [second.reference, task.request.reference]


def test_a_request_shows_its_date_with_its_reason_and_its_plan(browser: Client, task: Task) -> None:
    answer = browser.get(f"{REQUESTS}{task.request.reference}/").json()
    assert answer["due_on"] == task.request.due_on.isoformat()
    assert answer["due_reason"]["article"] == "Art. 12(3) GDPR"
    stands = {row["system"]: (row["state"], row["check"]) for row in answer["tasks"]}
    assert stands["this-service"] == ("reported", "checked")
    assert stands["parcels"] == ("asked", "")


def test_no_personal_data_leaves_not_even_a_pseudonym(browser: Client, stage: Cast, task: Task) -> None:
    for path in (REQUESTS, f"{REQUESTS}{task.request.reference}/"):
        answer = browser.get(path).text
        for value in (ALICE_EMAIL, "alice", str(stage.alice)):
            assert value not in answer


def test_pages_follow_one_another_by_cursor(browser: Client, stage: Cast) -> None:
    for number in range(3):
        subject_id = make_person(stage.lindwerk, email=f"p{number}@example.org", given_name=f"p{number}")
        make_request(stage.lindwerk, subject_id, RequestKind.ACCESS)
    first = browser.get(f"{REQUESTS}?page_size=2").json()
    second = browser.get(first["next"]).json()
    references = [row["reference"] for row in first["results"] + second["results"]]
    assert len(set(references)) == 3
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("page_size=many", "page_size"),
        ("cursor=noise", "cursor"),
        ("state=closed", "state"),
    ],
)
def test_a_page_that_cannot_be_had_is_not_another_one(browser: Client, query: str, field: str) -> None:
    answer = browser.get(f"{REQUESTS}?{query}")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_reference_that_no_database_takes_is_one_that_does_not_exist(browser: Client) -> None:
    assert browser.get(f"{REQUESTS}LI%00/").status_code == 404


def test_a_list_costs_no_query_per_row(browser: Client, stage: Cast, task: Task) -> None:
    with CaptureQueriesContext(connection) as queries:
        browser.get(REQUESTS)
    assert len(queries) <= 6


def test_whoever_has_not_signed_in_is_told_to(anybody: Client, task: Task) -> None:
    for path in (REQUESTS, f"{REQUESTS}{task.request.reference}/"):
        answer = anybody.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["type"] == "/problems/not-authenticated"


def test_a_customer_finds_nothing_here(stage: Cast, task: Task) -> None:
    alice = at_work(User.objects.for_subject(stage.lindwerk, stage.alice))
    for path in (REQUESTS, f"{REQUESTS}{task.request.reference}/"):
        assert alice.get(path).status_code == 404


def test_another_controllers_staff_finds_nothing_of_it(browser: Client, stranger: Client, task: Task) -> None:
    assert browser.get(f"{REQUESTS}{task.request.reference}/").status_code == 200
    answer = stranger.get(f"{REQUESTS}{task.request.reference}/")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert stranger.get(REQUESTS).json()["results"] == []


def test_what_does_not_exist_is_a_problem_too(browser: Client) -> None:
    for path in (f"{REQUESTS}LI-000000/", "/api/v1/nothing/", "/api/"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_is_refused_before_any_view_is_a_problem_too(browser: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    answers = {path: browser.get(path, headers={"host": "elsewhere.example"}) for path in (REQUESTS, "/sign-in/")}
    assert {answer.status_code for answer in answers.values()} == {400}
    assert answers[REQUESTS].json()["type"] == "/problems/invalid"
    assert answers["/sign-in/"].headers["Content-Type"].startswith("text/html")


def test_a_method_that_is_not_offered_is_a_problem(browser: Client, task: Task) -> None:
    answer = browser.delete(f"{REQUESTS}{task.request.reference}/")
    assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
