"""The broker that needs no server: what is put is taken whole, once, in order, and by processes at the same time."""

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kombu import Connection, Exchange

from identity_privacy import broker


def connected(folder: Path) -> Connection:
    options = {"folder": str(folder / "messages"), "polling_interval": 0.01}
    return Connection(transport=broker.Transport, transport_options=options)


def test_what_is_put_is_taken_once_and_in_order(tmp_path: Path) -> None:
    with connected(tmp_path) as connection, connection.SimpleQueue("in_order") as queue:
        for number in range(20):
            queue.put({"number": number})
        taken = []
        for _ in range(20):
            message = queue.get(timeout=2)
            taken.append(message.decode()["number"])
            message.ack()

        assert taken == list(range(20))
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.05)
    assert list((tmp_path / "messages").iterdir()) == []


def test_its_folder_is_closed_to_others(tmp_path: Path) -> None:
    with connected(tmp_path / "made" / "first") as connection:
        connection.default_channel.basic_get("nothing")  # type: ignore[attr-defined]  # missing in the stubs

    assert (tmp_path / "made" / "first" / "messages").stat().st_mode & 0o077 == 0


def test_what_nobody_took_can_be_thrown_away(tmp_path: Path) -> None:
    with connected(tmp_path) as connection, connection.SimpleQueue("flushed") as queue:
        queue.put({"number": 1})
        queue.put({"number": 2})

        assert (queue.qsize(), queue.clear(), queue.qsize()) == (2, 2, 0)


def test_a_file_is_never_seen_half_written(tmp_path: Path) -> None:
    """Two that put large messages and two that take them: all arrive, and no taker stumbles."""
    taken: list[int] = []
    ended = threading.Event()

    def put(start: int) -> None:
        with connected(tmp_path) as connection, connection.SimpleQueue("whole") as queue:
            for number in range(start, start + 100):
                queue.put({"number": number, "filling": "x" * 100_000})

    def take() -> None:
        with connected(tmp_path) as connection, connection.SimpleQueue("whole") as queue:
            while not ended.is_set():
                with contextlib.suppress(queue.Empty):
                    message = queue.get(timeout=0.1)
                    taken.append(message.decode()["number"])
                    message.ack()

    threads = [threading.Thread(target=put, args=(start,)) for start in (0, 100)]
    threads += [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(taken) < 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    ended.set()
    for thread in threads:
        thread.join()

    assert sorted(taken) == list(range(200))


def test_of_equal_messages_one_waits_and_after_it_was_taken_the_next_one_does(tmp_path: Path) -> None:
    with connected(tmp_path) as connection, connection.SimpleQueue("equal") as queue:
        for _ in range(3):
            queue.put({"look": "again"})
        assert queue.qsize() == 1

        queue.get(timeout=2).ack()
        queue.put({"look": "again"})
        assert queue.qsize() == 1


def test_what_a_worker_tells_nobody_leaves_no_file(tmp_path: Path) -> None:
    with connected(tmp_path) as connection:
        exchange = Exchange("celeryev", type="topic")
        connection.Producer().publish({}, exchange=exchange, routing_key="worker.heartbeat", declare=[exchange])

    assert list((tmp_path / "messages").iterdir()) == []


PUT = """
import sys
from pathlib import Path
from tests.delivery.test_broker import connected
with connected(Path(sys.argv[1])) as connection, connection.SimpleQueue("shared") as queue:
    queue.put({"name": sys.argv[2]})
"""


def test_processes_that_start_together_lose_nothing(tmp_path: Path) -> None:
    names = [f"process {number}" for number in range(4)]
    started = [subprocess.Popen([sys.executable, "-c", PUT, str(tmp_path), name]) for name in names]
    assert [process.wait(30) for process in started] == [0] * len(names)

    with connected(tmp_path) as connection, connection.SimpleQueue("shared") as queue:
        taken = []
        for _ in names:
            message = queue.get(timeout=2)
            taken.append(message.decode()["name"])
            message.ack()
    assert sorted(taken) == names
