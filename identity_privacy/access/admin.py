"""The console's page of the audit log; here, because access decides who may see an entry."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import register
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from identity_privacy.access.entries import EntryRow, entry_rows
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.services import check_log
from identity_privacy.audit.verification import standing
from identity_privacy.console import ConsoleAdmin, actor_of, back


@register(Entry)
class EntryAdmin(ConsoleAdmin[Entry]):
    """The audit log: everything that was done, newest first."""

    heading = gettext_lazy("Audit")
    icon = "shield"
    position = 6
    controller_path = "controller_id"
    list_display = ("at", "action")
    search_fields = ("action",)
    search_help_text = gettext_lazy("Find by action, or by the id of a person or thing in full")
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """An id finds what was done to it or for it; any other word the actions that begin with it."""
        term = search_term.strip()
        try:
            wanted = UUID(term)
        except ValueError:
            return (queryset.filter(action__startswith=term) if term else queryset), False
        return queryset.filter(Q(subject_id=wanted) | Q(target_id=str(wanted)) | Q(actor_id=str(wanted))), False

    def rows(self, request: HttpRequest, objects: Sequence[Entry]) -> Sequence[EntryRow]:
        """Each with its actor in words."""
        return entry_rows(objects)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """The list, under what is known of the log as a whole."""
        return super().changelist_view(request, {"log": standing(), **(extra_context or {})})

    def page(self, request: HttpRequest, row: Entry) -> Mapping[str, object]:
        """The entry in full, and its place in the log."""
        return {
            "title": row.action,
            "row": entry_rows([row])[0],
            "place": Sequenced.objects.filter(entry=row).first(),
            "checkpoint": latest_checkpoint(),
        }

    def acts(self) -> Sequence[URLPattern]:
        """Checking the log."""
        return (path("check/", self.view(require_POST(self.check_whole_log)), name="audit_entry_check"),)

    def check_whole_log(self, request: HttpRequest) -> HttpResponse:
        """Check every entry against the tree and its signed root."""
        try:
            count = check_log(actor=actor_of(request))
        except LogAltered as alteration:
            messages.error(request, _("The log was changed: %(finding)s.") % {"finding": alteration})
        else:
            messages.success(
                request, _("%(count)d entries checked: nothing was changed or taken out.") % {"count": count}
            )
        return back(request, reverse("admin:audit_entry_changelist"))
