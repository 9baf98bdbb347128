"""The broker that needs no server: what is put is taken whole, once, in order, and by processes at the same time."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue

from identity_privacy import broker


def connected(folder: Path) -> Connection:
    # Each test has queues of its own name: a process remembers which it has bound, whatever the folder.
    return Connection(
        transport=broker.Transport,
        transport_options={
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.01,
        },
    )


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


def test_its_folders_are_closed_to_others(tmp_path: Path) -> None:
    with connected(tmp_path / "made" / "first") as connection:
        connection.default_channel.basic_get("nothing")  # type: ignore[attr-defined]  # missing in the stubs

    for folder in ("messages", "control"):
        assert (tmp_path / "made" / "first" / folder).stat().st_mode & 0o077 == 0


def test_a_file_is_never_seen_half_written(tmp_path: Path) -> None:
    """Two that put large messages and two that take them: all arrive, and no taker stumbles."""
    taken: list[int] = []

    def put(start: int) -> None:
        with connected(tmp_path) as connection, connection.SimpleQueue("whole") as queue:
            for number in range(start, start + 100):
                queue.put({"number": number, "filling": "x" * 100_000})

    def take() -> None:
        with connected(tmp_path) as connection, connection.SimpleQueue("whole") as queue:
            while len(taken) < 200:
                try:
                    message = queue.get(timeout=0.5)
                except queue.Empty:
                    return
                taken.append(message.decode()["number"])
                message.ack()

    threads = [threading.Thread(target=put, args=(start,)) for start in (0, 100)]
    threads += [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(taken) == list(range(200))


BIND = """
import sys
from pathlib import Path
from tests.delivery.test_broker import bind
bind(Path(sys.argv[1]), sys.argv[2])
"""


def bind(folder: Path, name: str) -> None:
    with connected(folder) as connection:
        Queue(name, Exchange("shared", type="direct"), routing_key=name)(connection.default_channel).declare()


def test_processes_that_start_together_all_find_their_queue_bound(tmp_path: Path) -> None:
    names = [f"queue{number}" for number in range(4)]
    started = [subprocess.Popen([sys.executable, "-c", BIND, str(tmp_path), name]) for name in names]

    assert [process.wait(30) for process in started] == [0] * len(names)
    with connected(tmp_path) as connection:
        table = connection.default_channel.get_table("shared")  # type: ignore[attr-defined]  # ours
    assert sorted(row.queue for row in table) == names
