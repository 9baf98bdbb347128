"""The console's page of purposes: what each rests on, and how people answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib.admin import register
from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from consent.models import ConsentState, Purpose
from consent.terms import ConsentAction, LegalBasis
from identity_privacy.access.terms import Permission
from identity_privacy.console import ConsoleAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeRow:
    """A purpose and how many people stand how on it."""

    purpose: Purpose
    counts: Mapping[str, int]

    @property
    def is_asked(self) -> bool:
        """Whether it needs a yes."""
        return self.purpose.legal_basis == LegalBasis.CONSENT

    @property
    def yes(self) -> int:
        """How many have said yes, and not taken it back."""
        return self.counts.get(ConsentAction.GIVEN, 0)

    @property
    def no(self) -> int:
        """How many have refused, withdrawn or objected."""
        return sum(self.counts.values()) - self.yes


@register(Purpose)
class PurposeAdmin(ConsoleAdmin[Purpose]):
    """Purposes in the controller's own order."""

    heading = _("Consent")
    icon = "choices"
    position = 4
    permission = Permission.SEE_CONSENT
    list_display = ("name", "legal_basis")
    ordering = ("position", "code")

    def rows(self, request: HttpRequest, objects: Sequence[Purpose]) -> Sequence[PurposeRow]:
        """Each with its counts, in one query."""
        counts: dict[object, dict[str, int]] = {}
        states = ConsentState.objects.filter(purpose__in=objects).values_list("purpose_id", "action")
        for purpose_id, action, count in states.annotate(count=Count("id")).order_by():
            counts.setdefault(purpose_id, {})[action] = count
        return [PurposeRow(purpose=purpose, counts=counts.get(purpose.id, {})) for purpose in objects]

    def page(self, request: HttpRequest, row: Purpose) -> Mapping[str, object]:
        """The purpose, its counts and every version of its text."""
        return {
            "title": row.name,
            "row": self.rows(request, [row])[0],
            "notices": row.notices.order_by("-version", "locale"),
        }
