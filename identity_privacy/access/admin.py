"""The console's page of the audit log; here, because access decides who may see an entry."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.contrib.admin import register
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy

from identity_privacy.access.entries import EntryRow, entries_of_own_controllers, entry_rows
from identity_privacy.access.narrowing import EntriesFilter, EntriesForm
from identity_privacy.access.roles import controllers_for
from identity_privacy.access.terms import Permission
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.finding import matching
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.services import ask_for_check, export_entries
from identity_privacy.audit.standing import standing
from identity_privacy.audit.vocabulary import actions_beginning_with
from identity_privacy.console import ConsoleAdmin, LongListPaginator, actor_of, back


@register(Entry)
class EntryAdmin(ConsoleAdmin[Entry]):
    """The audit log: everything that was done, newest first."""

    heading = gettext_lazy("Audit")
    icon = "shield"
    position = 6
    permission = Permission.SEE_LOG
    controller_path = "controller_id"
    list_display = ("at", "action")
    list_filter = (EntriesFilter,)
    search_fields = ("action",)
    search_help_text = gettext_lazy("Find by action, or by the id of a person or thing in full")
    ordering = ("-id",)
    paginator = LongListPaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        """Those of the controllers that this member of staff works for."""
        return entries_of_own_controllers(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """Those that are found by what was typed; none of them twice."""
        return _found(queryset, search_term), False

    def rows(self, request: HttpRequest, objects: Sequence[Entry]) -> Sequence[EntryRow]:
        """Each with its actor in words."""
        return entry_rows(objects)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """The list, under what is known of the log as a whole."""
        return super().changelist_view(request, {"log": standing(), **(extra_context or {})})

    def page(self, request: HttpRequest, row: Entry) -> Mapping[str, object]:
        """The entry in full, and its place in the log."""
        shown = entry_rows([row])[0]
        return {
            "title": shown.what,
            "row": shown,
            "place": Sequenced.objects.filter(entry=row).first(),
            "checkpoint": latest_checkpoint(),
        }

    def acts(self) -> Sequence[URLPattern]:
        """Checking the log, and downloading entries of it."""
        return (
            path("check/", self.act(self.check_whole_log, Permission.CHECK_LOG), name="audit_entry_check"),
            path("download/", self.act(self.download, Permission.EXPORT_LOG), name="audit_entry_download"),
        )

    def check_whole_log(self, request: HttpRequest) -> HttpResponse:
        """Have a worker check every entry against the tree and its signed root; the page says how it goes."""
        ask_for_check(actor=actor_of(request))
        return back(request, reverse("admin:audit_entry_changelist"))

    def download(self, request: HttpRequest) -> HttpResponseBase:
        """The entries that the list shows under the same filters, each with its proof, as a file."""
        form = EntriesForm(request.POST)
        if not form.is_valid():
            return HttpResponseRedirect(reverse("admin:audit_entry_changelist"))
        term = request.POST.get("q", "")
        lines = export_entries(
            actor=actor_of(request),
            entries=matching(_found(Entry.objects.all(), term), form.wanted()),
            controllers=list(controllers_for(request, Permission.EXPORT_LOG)),
            by=[*form.filled_in(), *(["search"] if term else [])],
            subject_id=form.cleaned_data["subject"],
        )
        return StreamingHttpResponse(
            lines,
            content_type="application/jsonl",
            headers={"Content-Disposition": 'attachment; filename="audit-entries.jsonl"', "Cache-Control": "no-store"},
        )


def _found(entries: QuerySet[Entry], typed: str) -> QuerySet[Entry]:
    """By an id, what was done to it, for it or by it; by any other word, the actions that begin with it."""
    term = typed.strip()
    try:
        wanted = UUID(term)
    except ValueError:
        return entries.filter(action__in=actions_beginning_with(term)) if term else entries
    return entries.filter(Q(subject_id=wanted) | Q(target_id=str(wanted)) | Q(actor_id=str(wanted)))
