"""What a rotation would do, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

# Is told how many more are done.
Progress: TypeAlias = Callable[[int], object]


def unseen(count: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something that opens under no key that there is, and therefore could not be carried over."""

    place: str
    row_id: UUID
    key_id: UUID

    def __str__(self) -> str:
        if self.row_id == self.key_id:  # a key itself
            return f"{self.place} {self.row_id}"
        return f"{self.place} of row {self.row_id} under data key {self.key_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rotation would do, in a sentence, how many steps that is and of what, and how many keys are in scope."""

    sentence: str
    total: int
    keys: int
    unit: str = "keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, in a sentence, and what could not be."""

    sentence: str
    count: int
    unreadable: Sequence[Unreadable] = field(default=())
