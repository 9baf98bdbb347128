"""What the API's tests stand on: the cast, its staff, and a task that a linked system was asked to do."""

import pytest
from django.test import Client
from pytest_django import Settings

from dsar.models import Task
from dsar.services import carry_out
from dsar.terms import RequestKind
from identity_privacy.delivery.models import System
from tests import cast
from tests.cast import Cast
from tests.factories import make_request, make_system
from tests.staff import at_work, hire


@pytest.fixture
def stage(db: None, settings: Settings) -> Cast:
    settings.ALLOW_LOOPBACK_PARTNERS = True
    return cast.enter()


@pytest.fixture
def anybody(stage: Cast) -> Client:
    """Somebody who has not signed in."""
    return Client(headers={"host": "localhost"})


@pytest.fixture
def browser(stage: Cast) -> Client:
    """Dana's."""
    return at_work(hire("Dana", stage.lindwerk))


@pytest.fixture
def stranger(stage: Cast) -> Client:
    """Otto's, who works for another controller."""
    return at_work(hire("Otto", stage.otherwerk), host=cast.OTHER_HOST)


@pytest.fixture
def parcels(stage: Cast) -> System:
    """A system that is called by webhook."""
    return make_system(stage.lindwerk, "parcels", name="Paketlauf", endpoint="http://127.0.0.1:9/hook")


@pytest.fixture
def adserve(stage: Cast) -> System:
    """Another such system of the same controller."""
    return make_system(stage.lindwerk, "adserve", name="AdServe", endpoint="http://127.0.0.1:9/hook")


@pytest.fixture
def task(stage: Cast, parcels: System, adserve: System) -> Task:
    """What the parcel service was asked to do for Alice: erase her data."""
    request = make_request(stage.lindwerk, stage.alice, RequestKind.ERASURE)
    carry_out(request_id=request.pk)
    return Task.objects.select_related("request").get(request=request, system_id=parcels.pk)
