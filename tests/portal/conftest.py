"""Everybody is on stage, and Alice has just signed in."""

import pytest
from django.test import Client

from tests import cast as stage
from tests.cast import ALICE_EMAIL, BOB_EMAIL, CHARLIE_EMAIL, OTHER_HOST, Cast
from tests.portal.door import signed_in


@pytest.fixture
def cast(db: None) -> Cast:
    return stage.enter()


@pytest.fixture
def alice(cast: Cast) -> Client:
    return signed_in(ALICE_EMAIL)


@pytest.fixture
def bob(cast: Cast) -> Client:
    return signed_in(BOB_EMAIL)


@pytest.fixture
def charlie(cast: Cast) -> Client:
    return signed_in(CHARLIE_EMAIL, host=OTHER_HOST)
