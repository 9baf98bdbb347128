"""A controller by its code: the floor above keeps them, and says here how one is found."""

from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID

from identity_privacy.errors import NotFound

Finder: TypeAlias = Callable[[str], UUID | None]

_finders: list[Finder] = []


def controllers_are_found_by(finder: Finder) -> None:
    """Ask this for the id of the controller with a code; called once at start-up."""
    _finders.append(finder)


def controller_named(text: str) -> UUID:
    """The id of a controller, given that or its code. Raises: NotFound."""
    for finder in _finders:
        if found := finder(text):
            return found
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no controller {text}") from None
