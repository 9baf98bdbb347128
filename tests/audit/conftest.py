"""The quarters of a log that has grown old."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection

from identity_privacy.audit.partitions import make_partitions
from tests.audit.aged import OLD


@pytest.fixture
def partitions_of_old(db: None) -> Iterator[None]:
    """Where there are partitions, those of these years."""
    with time_machine.travel(datetime(OLD.year, 1, 1, tzinfo=UTC), tick=False):
        made = make_partitions("audit_entry", connection)
    yield
    with connection.cursor() as cursor:
        for quarter in made:
            cursor.execute(f"DROP TABLE IF EXISTS audit_entry_{quarter}")
