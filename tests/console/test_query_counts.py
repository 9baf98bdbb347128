"""A list costs the same number of queries however long it is, and no more than fifteen; Today costs four more."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dsar.models import SubjectRequest
from dsar.services import carry_out
from dsar.terms import RequestKind
from identity_privacy.access.models import User
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.delivery.models import Message, System
from profiles.models import Profile
from tests.cast import Cast
from tests.console.pages import lists, page_of
from tests.factories import make_person, make_request

MOST = 15
# Today shows four lists and the log, with what waits for its place (two queries on PostgreSQL), at once.
MOST_TODAY = 19


@pytest.mark.usefixtures("dead_letter")
def test_a_list_costs_at_most_fifteen_queries_and_none_per_row(browser: Client, stage: Cast, parcels: System) -> None:
    pages = ["/console/", *lists()]
    before = {path: _cost(browser, path) for path in pages}
    for number in range(4):
        subject_id = make_person(
            stage.lindwerk, email=f"p{number}@example.org", given_name=f"p{number}", systems=[parcels]
        )
        carry_out(request_id=make_request(stage.lindwerk, subject_id, RequestKind.ERASURE).pk)
    Message.objects.filter(topic="task.erase").update(last_error="503", failure_count=1)
    after = {path: _cost(browser, path) for path in pages}
    assert after == before
    assert after.pop("/console/") <= MOST_TODAY
    assert max(after.values()) <= MOST, after


def test_a_page_with_a_timeline_costs_none_per_entry(
    browser: Client, stage: Cast, erasure: SubjectRequest, dana: User
) -> None:
    pages = [page_of(Profile.objects.get(pk=stage.alice)), page_of(erasure)]
    before = [_cost(browser, path) for path in pages]
    for _ in range(5):
        record(
            actor=Actor.user(dana.pk),
            action="personal_data.read",
            target=("request", erasure.pk),
            controller_id=stage.lindwerk.pk,
            subject_id=stage.alice,
        )
    with_staff = [_cost(browser, path) for path in pages]
    assert [after - cost for after, cost in zip(with_staff, before, strict=True)] in ([0, 0], [1, 1])
    assert max(with_staff) <= MOST, with_staff


def _cost(browser: Client, path: str) -> int:
    browser.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return len(queries)
