"""Who a typed address belongs to; the floor that knows people registers its answer at start-up."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A person by their pseudonymous id, and the key under which a message to them is sealed."""

    subject_id: UUID
    data_key_id: UUID


class SubjectDirectory(Protocol):
    """Finds the person behind an address without anyone below knowing how people are stored."""

    def find(self, controller_id: UUID, email: str) -> DirectoryEntry | None:
        """The person of this controller who has shown that the address is theirs; None for everybody else."""


_directories: list[SubjectDirectory] = []


def register(directory: SubjectDirectory) -> None:
    """Ask `directory` from now on; called once at start-up."""
    _directories[:] = [directory]


def find(controller_id: UUID, email: str) -> DirectoryEntry | None:
    """The person behind an address, or None; the caller answers the same either way."""
    return next((entry for entry in (one.find(controller_id, email) for one in _directories) if entry), None)
