"""Home: a sentence before any table, then what is open, what one can do, and what happened lately."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from consent.models import ConsentEvent, ConsentState, Purpose
from consent.terms import ConsentAction
from dsar.models import SubjectRequest
from dsar.portal.following import followed_request, summaries
from dsar.portal.person import given_name_of
from dsar.terms import RequestState
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.presence import at_controller
from identity_privacy.delivery.models import Link
from profiles.models import Attribute, Identifier

_LATELY: Final = 3
_ANSWERED: Final = (RequestState.ANSWERED, RequestState.RECHECKING)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened lately."""

    at: datetime
    words: str


@never_cache
@require_safe
@at_controller
def home(request: PortalRequest) -> HttpResponse:
    """The signed-in person's home; a followed request, for somebody erased; else the sign-in."""
    if request.subject_id:
        return _home_of(request, request.subject_id)
    if followed := followed_request(request):
        return redirect("dsar:request", followed.reference)
    return redirect("access:sign-in")


def _home_of(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    controller = request.controller
    cards = summaries(request, subject_id)
    yes = ConsentState.objects.of(subject_id).filter(action=ConsentAction.GIVEN)
    context = {
        "current": "home",
        "given_name": given_name_of(subject_id),
        "facts": Attribute.objects.about(subject_id).count() + Identifier.objects.filter(profile_id=subject_id).count(),
        "reasons": Purpose.objects.of(controller.id).not_asked().count() + yes.count(),
        "companies": Link.objects.of_subject(subject_id).count(),
        "uses": yes.count(),
        "open": [card for card in cards if card.request.is_open()],
        "answered": [card for card in cards if card.request.state in _ANSWERED],
        "lately": _lately(request, subject_id),
    }
    return render(request, "dsar/home.html", context)


def _lately(request: PortalRequest, subject_id: UUID) -> list[Event]:
    choices = [
        Event(event.occurred_at, _yes_or_no(event)) for event in ConsentEvent.objects.about(subject_id)[:_LATELY]
    ]
    asked = [
        Event(row.answered_at or row.received_at, _asked_or_answered(row))
        for row in SubjectRequest.objects.of(request.controller.id).by(subject_id)[:_LATELY]
    ]
    return sorted([*choices, *asked], key=lambda event: event.at, reverse=True)[:_LATELY]


def _yes_or_no(event: ConsentEvent) -> str:
    words = _("You said yes to: %(use)s") if event.action == ConsentAction.GIVEN else _("You said no to: %(use)s")
    return words % {"use": event.purpose.name}


def _asked_or_answered(row: SubjectRequest) -> str:
    words = _("We answered: %(request)s") if row.answered_at else _("You asked: %(request)s")
    return words % {"request": row.get_kind_display()}
