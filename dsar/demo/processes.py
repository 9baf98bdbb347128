"""The demonstration's processes: web, worker, beat and three linked systems; all are ended, whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from django.conf import settings

from dsar.demo import guard
from dsar.demo.environment import LOGS

MANAGE = str(settings.BASE_DIR / "manage.py")
# The exit status of a program that SIGTERM ended.
ENDED: Final = 128 + signal.SIGTERM


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback yet."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Processes:
    """Starts processes in a group each, with a log each, and ends them all at the end of the block.

    A guard, a process of its own, ends what this one could not: when it is killed, or its terminal is closed.
    `mailbox` is a folder outside of the service that is removed at the end as well.
    """

    def __init__(self, extra: Mapping[str, str], *, mailbox: Path) -> None:
        self._environment = {**os.environ, **extra}
        self._mailbox = mailbox
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._is_told_to_end = False

    def __enter__(self) -> Self:
        self._guard = subprocess.Popen(  # our own script
            [sys.executable, "-I", guard.__file__], stdin=subprocess.PIPE, start_new_session=True
        )
        self._told = self._guard.stdin.fileno() if self._guard.stdin else -1
        self._tell(f"rm {self._mailbox}")
        # Ctrl-C raises by itself; a polite kill must end the children too.
        self._previous = signal.signal(signal.SIGTERM, self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._running):
            self.stop(name)
        self._guard.communicate()
        signal.signal(signal.SIGTERM, self._previous)

    def _end(self, *_: object) -> None:
        self._is_told_to_end = True
        sys.exit(ENDED)

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
                # It names itself to the guard before its program begins: ended between its start and our next line,
                # we would leave one behind of which nobody knows.
                preexec_fn=self._announce,
            )

    def _announce(self) -> None:
        os.write(self._told, f"+{os.getpid()}\n".encode())

    def stop(self, name: str) -> None:
        """End one process and its children: politely, then by force."""
        process = self._running[name]
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, how)
                process.wait(timeout=8)
            except ProcessLookupError:
                process.wait()
            except subprocess.TimeoutExpired:
                continue
            break
        self._tell(f"-{process.pid}")
        del self._running[name]

    def _tell(self, line: str) -> None:
        os.write(self._told, f"{line}\n".encode())

    def dead(self) -> str | None:
        """The name of a process that ended by itself, if one did."""
        if self._is_told_to_end:  # at a moment in which Python lets no exception out
            sys.exit(ENDED)
        return next((name for name, process in self._running.items() if process.poll() is not None), None)

    def start_web(self, port: int, **extra: str) -> None:
        """Portal, console and API."""
        self.start(
            "web", "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4",
            "--worker-class", "gthread", "--log-level", "warning", "identity_privacy.wsgi", **extra,
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
