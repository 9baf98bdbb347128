"""One setting moves the wake-ups to RabbitMQ or to Redis, and nothing else changes."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.faults.house import house, wait_until
from tests.faults.test_worker_killed import MODES, start_partners, states
from tests.servers import databases, postgres, rabbitmq, redis


@pytest.mark.parametrize("broker", [rabbitmq, redis])
def test_a_worker_is_woken_without_a_sweep(broker: Callable[[], AbstractContextManager[str]], tmp_path: Path) -> None:
    with (
        postgres() as server,
        databases(server) as (database_url, keys_url),
        broker() as broker_url,
        house(tmp_path, database_url, keys_url, broker_url) as service,
    ):
        start_partners(service)
        service.start_worker()  # and no beat: only the broker can wake it
        service.run("-m", "tests.faults.filling", "messages", "2")
        everything = Counter(delivered=2 * len(MODES))
        wait_until(lambda: states(service) == everything, 30, "all delivered")
