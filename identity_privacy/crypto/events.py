"""What is done with keys, told to whoever keeps the log: crypto stands below it and imports it nowhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


def key_events_go_to(recorder: Recorder) -> None:
    """Call `recorder` at every event; the audit log registers here."""
    _recorders.append(recorder)


def tell(event: KeyEvent) -> None:
    """Enter an event, outside a transaction of the keys."""
    for recorder in _recorders:
        recorder(event)
