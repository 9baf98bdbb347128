"""Where the demonstration lives, and the settings that it runs with, in this process and in those that it starts."""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

FOLDER = settings.DEMO_DIR
LOGS = FOLDER / "logs"
SAMPLE = settings.BASE_DIR / "samples" / "febrl"

SETTINGS = {
    "VAR_DIR": str(FOLDER),
    "ALLOW_LOOPBACK_PARTNERS": "true",  # its linked systems are on this machine
    "DELIVERY_RETRY_BASE_SECONDS": "0.5",  # so that a refusal is not waited for
    "DELIVERY_SWEEP_SECONDS": "2",
    "AUDIT_LOG_ORIGIN": "lindwerk.example/audit",
}
# The demonstration is of the embedded default: these would move it elsewhere.
LEFT_OUT = (
    *("DATABASE_URL", "DATABASE_KEYS_URL", "CELERY_BROKER_URL", "PRODUCTION", "EMAIL_URL"),
    *("ROOT_KEY_URL", "ROOT_KEY_PREVIOUS_URL", "ROOT_KEY_PREVIOUS"),
)


def enter() -> None:
    """Start this command anew with the demonstration's settings, unless it has them."""
    if os.environ.get("VAR_DIR") == str(FOLDER):
        return
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    os.execve(sys.executable, [sys.executable, *sys.argv], {**kept, **SETTINGS})  # noqa: S606  # this very command


@contextmanager
def alone() -> Iterator[None]:
    """Keep a second demonstration, or `serve`, off the same folder. Raises: CommandError, at once."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"a demo or `make run` is using {FOLDER} already: end it first") from None
        yield


def folder_of(name: str) -> Path:
    """A folder of the demonstration's own, made at its first use."""
    path = FOLDER / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def mail_url(mailbox: Path) -> str:
    """The setting that has mail written into a folder; its path is read behind three slashes."""
    return f"filemail:///{mailbox}"


def remember(*, staff: str, password: str, clock_offset_seconds: int) -> None:
    """Keep what `serve` needs to go on from here, readable by the owner alone."""
    path = FOLDER / "demo.json"
    path.touch(mode=0o600)
    facts = {"staff": staff, "password": password, "clock_offset_seconds": clock_offset_seconds}
    path.write_text(json.dumps(facts))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a demonstration left for `serve`."""

    staff: str
    password: str
    clock_offset_seconds: int


def recalled() -> Facts | None:
    """What the demonstration left, if there was one that came to its end."""
    try:
        return Facts(**json.loads((FOLDER / "demo.json").read_text()))
    except FileNotFoundError:
        return None
