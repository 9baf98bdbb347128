"""Delivery's tests may call this machine, and retry at once."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from identity_privacy.access.models import Controller
from identity_privacy.delivery import results
from identity_privacy.delivery.models import System
from tests.delivery.world import Receiver, listening, make_controller, make_system


@pytest.fixture(autouse=True)
def loopback_partners(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_PARTNERS = True
    settings.DELIVERY_TIMEOUT_SECONDS = 2.0
    settings.DELIVERY_RETRY_BASE_SECONDS = 5.0


@pytest.fixture
def controller(db: None) -> Controller:
    return make_controller()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


@pytest.fixture
def shop(controller: Controller, receiver: Receiver) -> System:
    return make_system(controller, receiver.url)


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> list[results.ResultHandler]:
    """The list of result handlers, empty for this test."""
    mine: list[results.ResultHandler] = []
    monkeypatch.setattr(results, "_handlers", mine)
    return mine
