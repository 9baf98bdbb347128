"""What is done with keys, told to whoever keeps the log: crypto stands below it and imports it nowhere."""

import contextlib
import getpass
import os
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """A rotation, destruction or sweep that was begun or finished; `details` hold ids, counts and codes.

    `controller_id` None means every controller's keys, `subject_id` None no person's in particular.
    """

    action: str
    controller_id: UUID | None = None
    subject_id: UUID | None = None
    reason: str = ""
    details: Mapping[str, str | int] = field(default_factory=dict)


Recorder: TypeAlias = Callable[[KeyEvent], object]

_recorders: list[Recorder] = []
_account: ContextVar[str] = ContextVar("_account", default="")


def key_events_go_to(recorder: Recorder) -> None:
    """Call `recorder` at every event; the audit log registers here."""
    _recorders.append(recorder)


@contextlib.contextmanager
def run_by(account: str) -> Iterator[None]:
    """Enter the operating system's account that runs this with every event inside, as the detail `account`."""
    before = _account.set(account)
    try:
        yield
    finally:
        _account.reset(before)


def own_account() -> str:
    """The operating system's account that runs this process; its number in a container where it has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def tell(event: KeyEvent) -> None:
    """Enter an event, outside a transaction of the keys."""
    if account := _account.get():
        event = replace(event, details={**event.details, "account": account})
    for recorder in _recorders:
        recorder(event)
