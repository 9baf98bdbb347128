"""How long entries wait for their place is known at any time, cheaply."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit import waiting as lag
from identity_privacy.audit.models import Entry
from identity_privacy.audit.waiting import waiting

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_has_no_place_waits_since_its_oldest() -> None:
    assert (waiting().count, waiting().since, waiting().is_late) == (0, None, False)
    first = enter()
    enter()
    assert (waiting().count, waiting().since) == (2, first.at)
    services.sequence()
    assert (waiting().count, waiting().since) == (0, None)
    third = enter()
    assert (waiting().count, waiting().since) == (1, third.at)


def test_ten_seconds_are_late(settings: Settings) -> None:
    enter()
    assert not waiting().is_late
    settings.CLOCK_OFFSET_SECONDS = 11  # the entry is older by that much
    assert waiting().is_late


def test_a_long_transaction_hides_nothing_that_others_committed() -> None:
    services.sequence()
    with transaction.atomic():
        enter()
        assert waiting().count == 1
    assert waiting().count == 1


def test_more_than_matters_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "COUNTED", 2)
    enter(), enter(), enter(), enter()
    assert waiting().count == 3
    assert waiting().is_uncounted


def test_it_costs_a_query_and_on_postgresql_one_for_where_to_look() -> None:
    enter()
    with CaptureQueriesContext(connection) as queries:
        assert waiting().since
    assert len(queries) == (2 if connection.vendor == "postgresql" else 1)


def test_beat_gives_entries_their_place_every_two_seconds(settings: Settings) -> None:
    beat = settings.CELERY_BEAT_SCHEDULE["audit.sequence"]
    assert timedelta(seconds=beat["schedule"]) * 2 < lag.MOST
    assert beat["options"]["expires"] <= beat["schedule"]


def enter() -> Entry:
    entry_id = services.record(
        actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=None
    )
    return Entry.objects.get(id=entry_id)
