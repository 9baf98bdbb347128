"""Finding entries by what, by whom, on what, for whom and when: each way by an index, in a log of any length."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from identity_privacy.audit.models import Entry
from identity_privacy.audit.vocabulary import actions_beginning_with

# How far an entry's own time may be from that in its id, which is made a little after or before.
_APART: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are looked for; what is empty does not matter.

    `action` is one, or with `*` at its end every one that begins so: `request.*`. `request` is the id of the web
    request, task or command that they came from. `until` itself is left out.
    """

    subject: UUID | None = None
    actor: str = ""
    actor_kind: str = ""
    action: str = ""
    target: str = ""
    target_kind: str = ""
    request: str = ""
    since: datetime | None = None
    until: datetime | None = None


def matching(entries: QuerySet[Entry], wanted: Wanted) -> QuerySet[Entry]:
    """Those of the entries that are wanted, newest first."""
    fields = {
        "subject_id": wanted.subject,
        "actor_id": wanted.actor,
        "actor_kind": wanted.actor_kind,
        "target_id": wanted.target,
        "target_kind": wanted.target_kind,
        "request_id": wanted.request,
    }
    chosen = Q(**{name: value for name, value in fields.items() if value})
    if wanted.action:
        chosen &= _with_action(wanted.action)
    return entries.filter(chosen & _between(wanted.since, wanted.until)).order_by("-id")


def _with_action(action: str) -> Q:
    if action.endswith("*"):
        return Q(action__in=actions_beginning_with(action[:-1]))
    return Q(action=action)


def _between(since: datetime | None, until: datetime | None) -> Q:
    found = Q()
    if since:
        found &= Q(at__gte=since)
    if until:
        found &= Q(at__lt=until)
    # An id begins with the machine's time, so that the index on it serves; a demonstration moves the other clock alone.
    if since and not settings.CLOCK_OFFSET_SECONDS:
        found &= Q(id__gte=_first_id_at(since, -_APART))
    if until and not settings.CLOCK_OFFSET_SECONDS:
        found &= Q(id__lt=_first_id_at(until, _APART))
    return found


def _first_id_at(moment: datetime, apart: timedelta) -> UUID:
    """The smallest id that can be made so far from then. Source: RFC 9562 section 5.7 (UUIDv7)."""
    milliseconds = int((moment.timestamp() + apart.total_seconds()) * 1000)  # a datetime could not go beyond its years
    return UUID(int=max(milliseconds, 0) << 80)
