"""Audit entries as members of staff read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from identity_privacy.access.models import User
from identity_privacy.access.roles import controllers_for
from identity_privacy.access.terms import Permission
from identity_privacy.actors import ActorKind
from identity_privacy.audit.models import Entry
from identity_privacy.audit.vocabulary import words_for
from identity_privacy.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """An entry and who did it, in words."""

    entry: Entry
    who: str

    @property
    def what(self) -> str:
        """The action as words: "Request accepted"."""
        return words_for(self.entry.action)

    @property
    def thing(self) -> str:
        """The kind of thing that it was done to, as words."""
        return self.entry.target_kind.replace("_", " ")


def entries_of_own_controllers(request: HttpRequest) -> QuerySet[Entry]:
    """The entries of the controllers whose log this member of staff may see; those about the log itself are nobody's.

    Raises: NotFound, for whoever may see none.
    """
    # As plain ids, so that the database sees which ones when it chooses its way through a long log.
    controllers = controllers_for(request, Permission.SEE_LOG)
    if not controllers:
        raise NotFound
    return Entry.objects.filter(controller_id__in=controllers)


def latest_about(subject_id: UUID, *, controller_id: UUID, most: int) -> Sequence[EntryRow]:
    """What was done last for, by or with a person."""
    entries = Entry.objects.filter(subject_id=subject_id, controller_id=controller_id)
    return entry_rows(list(entries.order_by("-id")[:most]))


def entry_rows(entries: Sequence[Entry]) -> Sequence[EntryRow]:
    """Entries with their actors in words; staff by their names in the console, people never."""
    staff_ids = {UUID(entry.actor_id) for entry in entries if entry.actor_kind == ActorKind.USER}
    names = dict(User.objects.filter(pk__in=staff_ids, is_staff=True).values_list("pk", "username"))
    return [EntryRow(entry=entry, who=_who(entry, names)) for entry in entries]


def _who(entry: Entry, names: Mapping[UUID, str]) -> str:
    kind = ActorKind(entry.actor_kind)
    if kind is ActorKind.USER:
        return names.get(UUID(entry.actor_id), _("somebody of the staff"))
    if kind is ActorKind.SERVICE:
        return _("this service")
    return {
        ActorKind.SUBJECT: _("the person"),
        ActorKind.CLIENT: _("a program, over the API"),
        ActorKind.SYSTEM: _("a linked system"),
        ActorKind.WITNESS: _("a witness of the log"),
        ActorKind.STRANGER: _("somebody unknown"),
    }[kind]
