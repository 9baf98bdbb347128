"""Why a fact is kept, in words for the person; the floor that knows purposes registers its answer at start-up."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID


class Reasons(Protocol):
    """Says what each purpose is, as it stands for one person."""

    def of(self, controller_id: UUID, subject_id: UUID) -> Mapping[str, str]:
        """Purpose code to plain words, of the purposes that may be pursued for this person now."""


_registered: list[Reasons] = []


def register(reasons: Reasons) -> None:
    """Ask `reasons` from now on; called once at start-up."""
    _registered[:] = [reasons]


def reasons_of(controller_id: UUID, subject_id: UUID) -> Mapping[str, str]:
    """What each purpose is, in plain words; empty while nobody has registered."""
    return _registered[0].of(controller_id, subject_id) if _registered else {}
