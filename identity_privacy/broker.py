"""A Celery broker that needs no server: a folder with one file for each message, which appear and go whole.

`<time>_<digest>.<queue>.msg` is a message that waits. Every write goes to a hidden name and is renamed; a message is
taken by renaming it: each step has happened or has not. (kombu's own filesystem channel writes under the final name, so
that a worker may take half a message: the worker exits and the message is gone; and it keeps a table of queues that two
processes starting together can spoil. Here the routing key is the queue's name.) What a killed worker had taken is
lost; the database is the truth, and a sweep finds it.

Our tasks only say "look again", so of equal messages one waits: a thousand changes leave one file, not a thousand.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads
from uuid_utils.compat import uuid7

TRANSPORT_ALIASES["embedded"] = "identity_privacy.broker:Transport"


class Channel(virtual.Channel):
    """Puts and takes by rename, in the folder that the transport option `folder` names."""

    def __init__(self, connection: "Transport", **kwargs: object) -> None:
        super().__init__(connection, **kwargs)
        options: dict[str, str] = connection.client.transport_options  # type: ignore[union-attr, assignment]  # set by then
        self._folder = Path(options["folder"])
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: object) -> None:
        headers = message.get("headers") or {}
        said = dumps([headers.get("task"), headers.get("eta"), message.get("body")])
        ending = f"_{sha256(said.encode()).hexdigest()[:32]}.{queue}.msg"
        # One that waits now will be taken later than now, and so sees whatever this one was to tell of.
        if any(name.endswith(ending) for name in self._waiting(queue)):
            return
        hidden = self._folder / f".{uuid7()}"
        hidden.write_text(dumps(message))
        hidden.rename(self._folder / f"{time_ns():020}{ending}")

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        for name in self._waiting(queue):
            taken = self._folder / f".{name}"
            try:
                (self._folder / name).rename(taken)
            except FileNotFoundError:
                continue  # another worker was first
            payload: dict[str, Any] = loads(taken.read_text())
            taken.unlink()
            return payload
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        waiting = self._waiting(queue)
        for name in waiting:
            (self._folder / name).unlink(missing_ok=True)
        return len(waiting)

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        # Workers also broadcast how they are: nobody listens here, and a file for each beat would stay for ever.
        return [routing_key] if self.typeof(exchange).type == "direct" else []

    def _waiting(self, queue: str) -> Sequence[str]:
        return sorted(name for name in os.listdir(self._folder) if name.partition(".")[2] == f"{queue}.msg")


class Transport(virtual.Transport):
    """`embedded://` in a broker URL."""

    Channel = Channel
    default_port = 0
    driver_type = driver_name = "embedded"
