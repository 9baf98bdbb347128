"""What the console's tests stand on: the cast, its staff at work, and a system that can be called."""

import pytest
from django.test import Client
from pytest_django import Settings

from dsar.models import SubjectRequest
from dsar.services import carry_out
from dsar.terms import RequestKind
from identity_privacy.access.models import User
from identity_privacy.clock import now
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.terms import MessageState
from tests import cast
from tests.cast import Cast
from tests.factories import make_request, make_system
from tests.staff import at_work, hire


@pytest.fixture
def stage(db: None, settings: Settings) -> Cast:
    settings.ALLOW_LOOPBACK_PARTNERS = True
    return cast.enter()


@pytest.fixture
def dana(stage: Cast) -> User:
    return hire("Dana", stage.lindwerk)


@pytest.fixture
def browser(dana: User) -> Client:
    """Dana's."""
    return at_work(dana)


@pytest.fixture
def stranger(stage: Cast) -> Client:
    """The browser of Otto, who works for another controller, under that one's host name."""
    return at_work(hire("Otto", stage.otherwerk), host=cast.OTHER_HOST)


@pytest.fixture
def parcels(stage: Cast) -> System:
    """A system that is called by webhook."""
    return make_system(stage.lindwerk, "parcels", name="Paketlauf", endpoint="http://127.0.0.1:9/hook")


@pytest.fixture
def erasure(stage: Cast, parcels: System) -> SubjectRequest:
    """Alice's request to be erased: our own copy is, and the systems were asked."""
    request = make_request(stage.lindwerk, stage.alice, RequestKind.ERASURE)
    carry_out(request_id=request.pk)
    return SubjectRequest.objects.get(pk=request.pk)


@pytest.fixture
def dead_letter(erasure: SubjectRequest, parcels: System) -> Message:
    """The message to the parcel service about it, given up."""
    message = Message.objects.get(system=parcels, about_id__in=erasure.tasks.values("pk"))
    Message.objects.filter(pk=message.pk).update(
        state=MessageState.DEAD, dead_at=now(), last_error="connection refused", attempt_count=3, failure_count=3
    )
    return Message.objects.get(pk=message.pk)
