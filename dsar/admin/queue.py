"""The queue of requests, and the page of one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.admin import SimpleListFilter, register
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from dsar.admin.due import Due, due_of, why_due
from dsar.admin.plan import Step, holds_up, is_over, steps_of
from dsar.models import SubjectRequest
from dsar.terms import RequestKind, RequestState
from identity_privacy.access.entries import EntryRow, entry_rows
from identity_privacy.access.terms import Permission
from identity_privacy.audit.models import Entry
from identity_privacy.clock import today
from identity_privacy.console import ConsoleAdmin
from identity_privacy.delivery.models import Message
from identity_privacy.tags import Tag

LONGEST_TIMELINE = 100
WISHES = {RequestKind.ACCESS: _("Get a copy"), RequestKind.ERASURE: _("Erase")}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request, when it is due and what holds it up."""

    request: SubjectRequest
    steps: Sequence[Step]

    @property
    def wish(self) -> str:
        """What the person wants, in two words."""
        return str(WISHES[RequestKind(self.request.kind)])

    @property
    def due(self) -> Due:
        """How long there is left, by the calendar of the controller."""
        return due_of(self.request, today(self.request.controller.zone))

    @property
    def holds_up(self) -> str:
        """What stands between it and the answer."""
        return holds_up(self.request, self.steps)

    @property
    def is_stuck(self) -> bool:
        """Whether it waits for a person, not for a system."""
        return not is_over(self.request) and any(step.is_stuck for step in self.steps)

    @property
    def dead_message(self) -> Message | None:
        """The message that the likeliest act would send again."""
        return next((step.dead_message for step in self.steps if step.dead_message), None)

    @property
    def pseudonym(self) -> str:
        """Enough of the person's id to tell two apart."""
        return self.request.subject_id.hex[-8:]

    @property
    def why(self) -> Sequence[str]:
        """Why the answer is due when it is."""
        return why_due(self.request)

    @property
    def tag(self) -> Tag:
        """Its state."""
        state = RequestState(self.request.state)
        if state is RequestState.CLOSED:
            return Tag(kind="ok", icon="check", words=state.label)
        if state is RequestState.WITHDRAWN:
            return Tag(kind="wait", icon="out", words=state.label)
        if state is RequestState.ANSWERED:
            return Tag(kind="ok", icon="check", words=state.label)
        return Tag(kind="wait", icon="clock", words=state.label)


def request_rows(requests: Sequence[SubjectRequest]) -> Sequence[RequestRow]:
    """Requests with their steps, in their own order."""
    steps = steps_of(requests)
    return [RequestRow(request=request, steps=steps[request.pk]) for request in requests]


class StateFilter(SimpleListFilter):
    """Open ones, unless something else is chosen or looked for."""

    title = _("where it stands")
    parameter_name = "state"
    _wanted: Mapping[str, Q] = {
        "answered": Q(state__in=(RequestState.ANSWERED, RequestState.RECHECKING)),
        "ended": Q(state__in=(RequestState.CLOSED, RequestState.WITHDRAWN)),
        "all": Q(),
    }

    def lookups(self, request: HttpRequest, model_admin: object) -> Sequence[tuple[str, str]]:
        """What else there is than open ones."""
        return [("answered", str(_("Answered"))), ("ended", str(_("Ended"))), ("all", str(_("All")))]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, object]]:  # type: ignore[override]  # a private type
        """The same as links, open ones first."""
        for at, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": choice["display"] if at else _("Open")}

    def queryset(self, request: HttpRequest, queryset: QuerySet[SubjectRequest]) -> QuerySet[SubjectRequest]:
        """Those that were chosen."""
        chosen = self.value() or ("all" if request.GET.get("q") else "")
        if chosen in self._wanted:
            return queryset.filter(self._wanted[chosen])
        return queryset.filter(state__in=(RequestState.RECEIVED, RequestState.FULFILLING))


@register(SubjectRequest)
class SubjectRequestAdmin(ConsoleAdmin[SubjectRequest]):
    """Requests of people, the most urgent first."""

    heading = _("Queue")
    icon = "requests"
    position = 1
    permission = Permission.SEE_REQUESTS
    list_display = ("reference", "kind", "due_on", "state")
    list_filter = (StateFilter, "kind")
    list_select_related = ("controller",)
    search_fields = ("reference",)
    search_help_text = _("Find a request by its reference, or by a person's pseudonym in full")
    ordering = ("due_on", "received_at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SubjectRequest], search_term: str
    ) -> tuple[QuerySet[SubjectRequest], bool]:
        """The request with this reference, or those of the person with this pseudonym."""
        term = search_term.strip()
        try:
            return queryset.filter(subject_id=UUID(term)), False
        except ValueError:
            return (queryset.filter(reference=term.upper()) if term else queryset), False

    def count(self, request: HttpRequest) -> int | None:
        """How many are open."""
        mine = SubjectRequest.objects.filter(controller__in=self.controllers(request))
        return mine.open().count()

    def rows(self, request: HttpRequest, objects: Sequence[SubjectRequest]) -> Sequence[RequestRow]:
        """Each with its due date and what holds it up."""
        return request_rows(objects)

    def page(self, request: HttpRequest, row: SubjectRequest) -> Mapping[str, object]:
        """The plan, the timeline and the date."""
        shown = request_rows([row])[0]
        return {
            "title": f"{shown.wish}, {row.reference}",
            "row": shown,
            "timeline": timeline_of(shown),
        }


def timeline_of(row: RequestRow) -> Sequence[EntryRow]:
    """What was done to the request, its tasks and their messages, newest first."""
    targets = [str(row.request.pk), *(str(step.task.pk) for step in row.steps)]
    targets += [str(step.message.pk) for step in row.steps if step.message]
    entries = Entry.objects.filter(target_id__in=targets, controller_id=row.request.controller_id)
    return entry_rows(list(entries.order_by("-id")[:LONGEST_TIMELINE]))
