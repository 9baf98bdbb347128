"""Which entries a request may see; the floor that knows who works for which controller registers its answer."""

from typing import Protocol

from django.db.models import QuerySet
from django.http import HttpRequest

from identity_privacy.audit.models import Entry


class EntryAccess(Protocol):
    """Decides by who asks, without this floor knowing how people sign in and what they may do."""

    def __call__(self, request: HttpRequest) -> QuerySet[Entry]:
        """The entries that whoever sends the request may see. Raises: NotFound, for one who may see none ever."""


_deciding: list[EntryAccess] = []


def register(access: EntryAccess) -> None:
    """Ask `access` from now on; called once at start-up."""
    _deciding[:] = [access]


def entries_seen_by(request: HttpRequest) -> QuerySet[Entry]:
    """The entries that this request may see: none, unless a floor above has said so. Raises: NotFound."""
    return _deciding[0](request) if _deciding else Entry.objects.none()
