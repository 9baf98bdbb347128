"""Who a typed address belongs to; the floor that knows people registers its answer at start-up."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from identity_privacy.errors import ServiceError


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A person by their pseudonymous id, and the key under which a message to them is sealed."""

    subject_id: UUID
    data_key_id: UUID


class SubjectDirectory(Protocol):
    """Finds the person behind an address without anyone below knowing how people are stored."""

    def find(self, controller_id: UUID, email: str) -> DirectoryEntry | None:
        """The person of this controller who has shown that the address is theirs; None for everybody else."""

    def entry(self, subject_id: UUID) -> DirectoryEntry | None:
        """A person by their id; None once they were erased."""

    def address_of(self, subject_id: UUID) -> str:
        """The address that the person is told at, opened in a Reading of its own; empty without one."""


class DirectoryMissing(ServiceError):
    """No floor above has offered to find people."""

    code = "directory-missing"
    title = "Nobody can be found at the moment"


_directories: list[SubjectDirectory] = []


def register(directory: SubjectDirectory) -> None:
    """Ask `directory` from now on; called once at start-up."""
    _directories[:] = [directory]


def directory() -> SubjectDirectory:
    """The registered directory. Raises: DirectoryMissing."""
    if not _directories:
        raise DirectoryMissing
    return _directories[0]
