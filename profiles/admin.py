"""The console's page of people: a pseudonym and counts, never a value."""

from collections.abc import Mapping
from uuid import UUID

from django.contrib.admin import register
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from identity_privacy.access.entries import latest_about
from identity_privacy.access.terms import Permission
from identity_privacy.console import ConsoleAdmin
from profiles.models import Attribute, Identifier, Profile

LONGEST_TIMELINE = 20


@register(Profile)
class ProfileAdmin(ConsoleAdmin[Profile]):
    """People by pseudonym."""

    heading = _("People")
    icon = "person"
    position = 5
    permission = Permission.SEE_PEOPLE
    list_display = ("id", "stage")
    list_filter = ("stage",)
    search_fields = ("id",)
    search_help_text = _("Find a person by the pseudonym in full")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        """With the number of facts and identifiers of each."""
        return (
            super()
            .get_queryset(request)
            .annotate(fact_count=_count_of(Attribute), identifier_count=_count_of(Identifier))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Profile], search_term: str
    ) -> tuple[QuerySet[Profile], bool]:
        """The one person whose pseudonym this is."""
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    def page(self, request: HttpRequest, row: Profile) -> Mapping[str, object]:
        """What kinds of things are known, from where and since when."""
        return {
            "title": str(row).capitalize(),
            "person": row,
            "identifiers": row.identifiers.order_by("recorded_at").defer("value"),
            "timeline": latest_about(row.pk, controller_id=row.controller_id, most=LONGEST_TIMELINE),
            "facts": row.attributes.select_related("definition").order_by("definition__position").defer("value"),
        }


def _count_of(model: type[Model]) -> Coalesce:
    # A subquery each: two joins would multiply the rows of one with those of the other.
    of_person = model._default_manager.filter(profile=OuterRef("pk")).order_by().values("profile")
    return Coalesce(Subquery(of_person.annotate(total=Count("pk")).values("total")), 0)
