"""My data: every fact, where it came from, why it is kept and who else has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.presence import for_subject, is_fresh
from identity_privacy.actors import Actor
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery.models import Link
from profiles.models import Attribute, Identifier
from profiles.reasons import reasons_of
from profiles.terms import Category, IdentifierKind

_IDENTIFIER_CATEGORY = {IdentifierKind.EMAIL: Category.CONTACT, IdentifierKind.PHONE: Category.CONTACT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One row of the page."""

    category: Category
    label: str
    value: str
    source: str
    recorded_at: datetime
    is_confirmed: bool
    is_hidden: bool = False
    why: Sequence[str]
    who: Sequence[str]


@dataclass(frozen=True, slots=True)
class Group:
    """One heading of the page with its facts."""

    title: str
    facts: Sequence[Fact]


@never_cache
@require_safe
@for_subject
def data(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """All that we know about the person who looks (GDPR Art. 15), opened for them and nobody else."""
    with Reading(
        actor=Actor.subject(subject_id),
        purpose="portal.my_data",
        subject_id=subject_id,
        controller_id=request.controller.id,
        reason="The person looks at their data",
    ):
        groups = _groups(request.controller.id, subject_id, shows_sensitive=is_fresh(request))
        context = {"current": "data", "groups": groups, "count": sum(len(group.facts) for group in groups)}
        return render(request, "profiles/data.html", context)


def _groups(controller_id: UUID, subject_id: UUID, *, shows_sensitive: bool) -> list[Group]:
    reasons = reasons_of(controller_id, subject_id)
    holders = [link.system for link in Link.objects.of_subject(subject_id)]

    def who(category: Category) -> list[str]:
        return [system.name for system in holders if category in system.categories]

    facts = [
        Fact(
            category=(category := _IDENTIFIER_CATEGORY.get(IdentifierKind(row.kind), Category.OFFICIAL)),
            label=row.get_kind_display(),
            value=row.value,
            source=row.source,
            recorded_at=row.recorded_at,
            is_confirmed=row.verified_at is not None,
            why=[_("To know that it is you")],
            who=who(category),
        )
        for row in Identifier.objects.filter(profile_id=subject_id).order_by("kind", "id")
    ]
    facts += [
        Fact(
            category=(category := Category(row.definition.category)),
            label=row.definition.label,
            value=row.value if shows_sensitive or not row.definition.is_sensitive else "",
            is_hidden=row.definition.is_sensitive and not shows_sensitive,
            source=row.source,
            recorded_at=row.recorded_at,
            is_confirmed=False,
            why=[reasons[code] for code in row.definition.purposes if code in reasons],
            who=who(category),
        )
        for row in Attribute.objects.about(subject_id)
    ]
    order = list(Category)
    facts.sort(key=lambda fact: order.index(fact.category))
    return [Group(str(category.label), list(rows)) for category, rows in groupby(facts, key=lambda fact: fact.category)]


app_name = "profiles"
urlpatterns = [path("data/", data, name="data")]
