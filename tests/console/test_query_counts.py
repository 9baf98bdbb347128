"""A list costs the same number of queries however long it is, and no more than fifteen; Today costs three more."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dsar.services import carry_out
from dsar.terms import RequestKind
from identity_privacy.delivery.models import Message, System
from tests.cast import Cast
from tests.console.pages import lists
from tests.factories import make_person, make_request

MOST = 15
# Today shows four lists and the log, with what waits for its place, at once.
MOST_TODAY = 18


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


def _cost(browser: Client, path: str) -> int:
    browser.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return len(queries)
