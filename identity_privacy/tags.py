"""A state as people see it."""

from dataclasses import dataclass

from django.utils.functional import Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A state as a pill: its kind of colour (ok, keep, bad, wait), its icon in the sprite, and its words."""

    kind: str
    icon: str
    words: str | Promise
