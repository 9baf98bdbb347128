"""How each floor's own store is collected, restricted and erased, exactly as a linked system is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of an access package with its rows: column name to value, all of them readable text."""

    title: str
    rows: Sequence[Mapping[str, str]]


class SubjectDataStore(Protocol):
    """One floor's data about a person; no store knows another's rows."""

    name: str

    def collect(self, subject_id: UUID) -> Sequence[Section]:
        """All that is stored about the person, for an access package; called inside a Reading (GDPR Art. 15)."""

    def erase(self, subject_id: UUID) -> Mapping[str, int]:
        """Erase the person's rows and return how many went, by kind; called in the erasing transaction (Art. 17)."""

    def remaining(self, subject_id: UUID) -> Mapping[str, int]:
        """How many rows of personal data are left, by kind: our own read for the re-check; all zero after `erase`."""


_stores: dict[str, SubjectDataStore] = {}


def register(store: SubjectDataStore) -> None:
    """Make a floor's store part of every request; called once at start-up."""
    _stores[store.name] = store


def stores() -> Sequence[SubjectDataStore]:
    """All registered stores, by name."""
    return [_stores[name] for name in sorted(_stores)]
