"""A whole service of real processes on one PostgreSQL and one RabbitMQ: workers, beat, partners; all can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from kombu import Connection

ROOT = Path(__file__).resolve().parents[2]
CELERY = (sys.executable, "-m", "celery", "-A", "identity_privacy")


@dataclass
class House:
    """The processes and what they share. Lease 4 s, sweep every 2 s, so that recovery fits a test."""

    folder: Path
    database_url: str
    keys_url: str
    broker_url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "identity_privacy.settings",
            "DATABASE_URL": self.database_url,
            "DATABASE_KEYS_URL": self.keys_url,
            "CELERY_BROKER_URL": self.broker_url,
            "VAR_DIR": str(self.folder),
            "ROOT_KEY_URL": "env://",
            "ROOT_KEY": "b25seSBmb3IgdGhlIHRlc3RzOiAzMiBieXRlcyBrZXk=",
            "ALLOW_LOOPBACK_PARTNERS": "true",
            "DELIVERY_TIMEOUT_SECONDS": "2",
            "DELIVERY_LEASE_SECONDS": "4",
            "DELIVERY_SWEEP_SECONDS": "2",
            "DELIVERY_RETRY_BASE_SECONDS": "0.5",
            "LOG_LEVEL": "WARNING",
        }

    def run(self, *command: str) -> str:
        result = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def start(self, *command: str, **extra: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            environment = {**self.environment, **extra}
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start(*CELERY, "worker", "--loglevel=WARNING", "--concurrency=2", f"--hostname={time.time_ns()}")

    def start_beat(self) -> subprocess.Popen[bytes]:
        return self.start(*CELERY, "beat", "--loglevel=WARNING", f"--schedule={self.folder / 'beat'}", "--pidfile=")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.processes.remove(process)

    def flush_broker(self) -> int:
        """Throw away every wake-up that waits."""
        with Connection(self.broker_url) as connection:
            return int(connection.default_channel.queue_purge("celery") or 0)  # type: ignore[attr-defined]  # missing in the stubs

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


@contextlib.contextmanager
def house(folder: Path, database_url: str, keys_url: str, broker_url: str) -> Iterator[House]:
    """A set-up service without processes yet; whatever is started in it is ended."""
    built = House(folder=folder, database_url=database_url, keys_url=keys_url, broker_url=broker_url)
    built.run("manage.py", "migrate", "--verbosity=0")
    built.run("manage.py", "migrate", "--verbosity=0", "--database=keys")
    try:
        yield built
    finally:
        built.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for something to hold, and say after how many seconds it did."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - started
