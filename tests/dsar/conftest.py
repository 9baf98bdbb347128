"""Everybody is on stage; packages go to a folder of the test's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests import cast as stage
from tests.cast import Cast
from tests.delivery.world import Receiver, listening


@pytest.fixture(autouse=True)
def own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture
def cast(db: None) -> Cast:
    return stage.enter()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """A real server of a linked system's."""
    settings.ALLOW_LOOPBACK_PARTNERS = True
    with listening() as receiver:
        yield receiver


@pytest.fixture
def live_cast(db: None, receiver: Receiver) -> Cast:
    """Everybody, and Lindwerk's systems really listen."""
    return stage.enter(endpoint=receiver.url)
