"""The verbs of the service, found where they stand, and an example for each of them."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from uuid import UUID

from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from tests.cast import Cast

# A package's verbs are what it exports; its modules may have steps that several of its verbs share.
SERVICES = (
    "consent.services",
    "dsar.services",
    "identity_privacy.access.services",
    "identity_privacy.audit.services",
    "identity_privacy.delivery.services",
    "profiles.services",
)
Verb = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Entered:
    """What an entry must say; `target` is `(kind, id)`."""

    action: str
    actor: Actor
    target: tuple[str, object]
    subject_id: UUID | None = None
    controller_id: UUID | None = None

    @classmethod
    def of(cls, entry: Entry) -> tuple[str, ...]:
        """An entry as a value that can be sorted and compared."""
        return (
            entry.action,
            entry.actor_kind,
            entry.actor_id,
            entry.target_kind,
            entry.target_id,
            str(entry.subject_id),
            str(entry.controller_id),
        )

    def as_stored(self) -> tuple[str, ...]:
        """The same of what is expected."""
        return (
            self.action,
            self.actor.kind.value,
            self.actor.id,
            self.target[0],
            str(self.target[1]),
            str(self.subject_id),
            str(self.controller_id),
        )


@dataclass(frozen=True, kw_only=True)
class Act:
    """One run of a verb on a stage that is set: what is called, and what must stand in the log after it.

    `reads` are the people whose readings it enters beside that. `is_durable`: it refuses to run inside a transaction.
    `why_none` says why a verb enters nothing of its own.
    """

    run: Callable[[], object]
    enters: Callable[[object], Sequence[Entered]] = lambda _: ()
    reads: frozenset[UUID | None] = frozenset()
    is_durable: bool = False
    why_none: str = ""


Example = Callable[[Cast], Act]
EXAMPLES: dict[Verb, Example] = {}


def shows(verb: Verb) -> Callable[[Example], Example]:
    """Make a function the example of a verb."""

    def remember(example: Example) -> Example:
        EXAMPLES[verb] = example
        return example

    return remember


def verbs() -> Iterator[Verb]:
    """Every public function of every services module, and every public method of a class that stands there."""
    for name in SERVICES:
        module = importlib.import_module(name)
        for found in _public(module):
            if inspect.isfunction(found):
                yield found
            elif inspect.isclass(found):
                yield from (method for method_name, method in _methods(found) if not method_name.startswith("_"))


def _public(module: ModuleType) -> list[object]:
    if hasattr(module, "__path__"):
        return [getattr(module, name) for name in module.__all__]
    own = [found for found in vars(module).values() if getattr(found, "__module__", "") == module.__name__]
    return [found for found in own if not found.__name__.startswith("_")]


def _methods(found: type) -> list[tuple[str, Verb]]:
    return inspect.getmembers(found, inspect.isfunction)
