"""The demonstration's processes: web, worker, beat and three linked systems; all are ended, whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.request import urlopen

from django.conf import settings

from dsar.demo.environment import LOGS

MANAGE = str(settings.BASE_DIR / "manage.py")


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Processes:
    """Starts processes in a group each, with a log each, and ends them all at the end of the block."""

    def __init__(self, extra: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **extra}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        # Ctrl-C raises by itself; a polite kill must end the children too.
        self._previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._running):
            self.stop(name)
        signal.signal(signal.SIGTERM, self._previous)

    def start(self, name: str, *command: str, **extra: str) -> None:
        """Start one process; its output goes to a log of its name."""
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # our own commands
                [sys.executable, *command],
                env={**self._environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str) -> None:
        """End one process and its children: politely, then by force."""
        process = self._running.pop(name)
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, how)
                process.wait(timeout=8)
            except ProcessLookupError:
                process.wait()
            except subprocess.TimeoutExpired:
                continue
            return

    def dead(self) -> str | None:
        """The name of a process that ended by itself, if one did."""
        return next((name for name, process in self._running.items() if process.poll() is not None), None)

    def start_web(self, port: int) -> None:
        """Portal, console and API."""
        self.start(
            "web", "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4",
            "--worker-class", "gthread", "--log-level", "warning", "identity_privacy.wsgi",
        )  # fmt: skip

    def start_worker(self, **extra: str) -> None:
        """A Celery worker, and beat beside it."""
        celery = ("-m", "celery", "--app", "identity_privacy.celery", "--quiet")
        self.start(
            "worker", *celery, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "warning", **extra
        )
        self.start("beat", *celery, "beat", "--loglevel", "warning", **extra)


def wait_for(port: int, seconds: float = 20) -> None:
    """Wait until something listens. Raises: TimeoutError."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}; see {LOGS}")


def answers(url: str) -> bool:
    """Whether a page of ours is served."""
    with urlopen(url, timeout=10) as answer:  # noqa: S310  # our own loopback address
        status: int = answer.status
    return status == 200
