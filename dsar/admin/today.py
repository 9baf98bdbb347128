"""Today: what needs a person now, and that the rest runs by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.contrib import admin
from django.db.models import Count, Exists, Min, OuterRef, Q
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dsar.admin.due import soon_until
from dsar.admin.plan import day
from dsar.admin.queue import request_rows
from dsar.models import SubjectRequest, Task
from dsar.querysets import OPEN, SubjectRequestQuerySet
from dsar.terms import Outcome, RequestState
from identity_privacy.access.roles import controllers_for
from identity_privacy.access.terms import Permission
from identity_privacy.audit.standing import standing
from identity_privacy.clock import now
from identity_privacy.console import ConsoleSite
from identity_privacy.delivery.health import Health, health_of, stuck_messages
from identity_privacy.delivery.models import Message
from identity_privacy.tags import Tag

MOST_ROWS = 8
_OPEN = Q(state__in=OPEN)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the opening: its first words are bold and lead to where they are shown."""

    bold: str
    rest: str
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the opening says; each request is counted once. `stuck` takes in answered ones that wait for a person."""

    open: int
    late: int
    soon: int
    stuck: int
    stuck_open: int
    next_due: date | None


def today_page(request: HttpRequest) -> Mapping[str, object]:
    """The page: the opening, what needs you, stuck messages, systems, and the audit log."""
    local = localtime(now())
    until = soon_until(local.date())
    requests = _living_requests(request)
    counts = _counts(requests, local.date(), until)
    needing = requests.filter(Q(_OPEN, due_on__lte=until) | Q(is_stuck=True)).select_related("controller")
    seeing_systems = controllers_for(request, Permission.SEE_SYSTEMS)
    healths = health_of(seeing_systems)
    return {
        "greeting": _greeting(local.hour),
        "opening": list(_opening(counts, until, healths)),
        "counts": counts,
        "needing": request_rows(list(needing[:MOST_ROWS])),
        "stuck": stuck_messages(seeing_systems),
        "troubled": [health for health in healths if not health.is_well],
        "well": [health.system for health in healths if health.is_well],
        "well_tag": Tag(kind="ok", icon="check", words=_("Well")),
        "log": standing(),
    }


def register_today() -> None:
    """Make this the console's first page."""
    if isinstance(admin.site, ConsoleSite):
        admin.site.today = today_page


def _living_requests(request: HttpRequest) -> SubjectRequestQuerySet:
    given_up = Message.objects.dead().filter(about_id=OuterRef("pk"))
    stuck = Task.objects.filter(Q(outcome=Outcome.FAILED) | Exists(given_up), request=OuterRef("pk"))
    mine = SubjectRequest.objects.filter(controller__in=controllers_for(request, Permission.SEE_REQUESTS))
    ended = (RequestState.CLOSED, RequestState.WITHDRAWN)
    return mine.exclude(state__in=ended).annotate(is_stuck=Exists(stuck)).order_by("due_on", "received_at")


def _counts(requests: SubjectRequestQuerySet, today: date, until: date) -> Counts:
    pressing = Q(_OPEN, due_on__lte=until)
    found = requests.order_by().aggregate(
        open=Count("pk", filter=_OPEN),
        late=Count("pk", filter=Q(_OPEN, due_on__lt=today)),
        soon=Count("pk", filter=Q(_OPEN, due_on__range=(today, until))),
        stuck=Count("pk", filter=Q(~pressing, is_stuck=True)),
        stuck_open=Count("pk", filter=Q(_OPEN, due_on__gt=until, is_stuck=True)),
        next_due=Min("due_on", filter=_OPEN),
    )
    return Counts(**found)


def _opening(counts: Counts, until: date, healths: Sequence[Health]) -> Iterator[Part]:
    needing_systems = sum(health.needs_person for health in healths)
    if counts.late:
        late = ngettext("%(count)d request is late", "%(count)d requests are late", counts.late)
        yield Part(late % {"count": counts.late}, ".", "#needs-you")
    if counts.soon:
        soon = ngettext("%(count)d request may be late", "%(count)d requests may be late", counts.soon)
        by = _("by %(day)s.") % {"day": date_format(until, "l, j F")}
        yield Part(soon % {"count": counts.soon}, f" {by}", "#needs-you")
    if counts.stuck:
        stuck = ngettext("%(count)d request", "%(count)d requests", counts.stuck) % {"count": counts.stuck}
        yield Part(stuck, " " + ngettext("waits for a person.", "wait for a person.", counts.stuck), "#needs-you")
    if needing_systems:
        systems = ngettext("%(count)d system", "%(count)d systems", needing_systems) % {"count": needing_systems}
        yield Part(systems, " " + ngettext("needs a person.", "need a person.", needing_systems), "#systems")
    if not (counts.late or counts.soon or counts.stuck or needing_systems):
        yield Part(_("Nothing needs you."), "")
    yield from _rest(counts)


def _rest(counts: Counts) -> Iterator[Part]:
    needing = counts.late + counts.soon + counts.stuck_open
    others = counts.open - needing
    if not counts.open or counts.next_due is None:
        yield Part("", _("No request is open."))
    elif needing and others:
        words = ngettext(
            "The other open request runs by itself.", "The other %(count)d open requests run by themselves.", others
        )
        yield Part("", words % {"count": others})
    elif others:
        words = ngettext(
            "The %(count)d open request runs by itself; its answer is due on %(day)s.",
            "The %(count)d open requests run by themselves; the next answer is due on %(day)s.",
            others,
        )
        yield Part("", words % {"count": others, "day": day(counts.next_due)})


def _greeting(hour: int) -> str:
    if hour < 12:
        return _("Good morning")
    return _("Good afternoon") if hour < 18 else _("Good evening")
