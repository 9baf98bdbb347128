"""Everybody is on stage."""

import pytest

from tests import cast as stage
from tests.cast import Cast


@pytest.fixture
def cast(db: None) -> Cast:
    return stage.enter()
