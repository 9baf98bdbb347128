"""A Celery broker that needs no server: kombu's filesystem transport, with files that appear and go whole.

The stock channel writes a message under its final name, so that a worker may take it half-written: the worker exits
and the message is gone. Here every write goes to a hidden name and is renamed, and a message is taken by renaming it,
inside the one folder: each step is whole or has not happened. What a killed worker had taken is lost; the database is
the truth, and a sweep finds it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from time import monotonic_ns
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads
from uuid_utils.compat import uuid7

TRANSPORT_ALIASES["embedded"] = "identity_privacy.broker:Transport"


class Channel(filesystem.Channel):
    """Puts, takes and binds by rename."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._folder = Path(self.data_folder_in)
        for folder in (self._folder, self.control_folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _put(self, queue: str, message: object, **kwargs: object) -> None:
        _write_whole(self._folder / f"{monotonic_ns():020}_{uuid7()}.{queue}.msg", dumps(message))

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        for name in sorted(os.listdir(self._folder)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = self._folder / f".{name}"
            try:
                (self._folder / name).rename(taken)
            except FileNotFoundError:
                continue  # another worker was first
            payload: dict[str, Any] = loads(taken.read_text())
            taken.unlink()
            return payload
        raise Empty

    def _queue_bind(self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None) -> None:
        # Worker, beat and web process start together: each must see a whole table, and none may lose another's row.
        row = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        file: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # missing in the stubs
        with self._binding():
            table = self.get_table(exchange)
            if row not in table:
                _write_whole(file, dumps([row, *table]))

    @contextmanager
    def _binding(self) -> Iterator[None]:
        with (self.control_folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Transport(filesystem.Transport):
    """`embedded://` in a broker URL."""

    Channel = Channel


def _write_whole(path: Path, text: str) -> None:
    hidden = path.with_name(f".{uuid7()}.new")
    hidden.write_text(text)
    hidden.rename(path)
