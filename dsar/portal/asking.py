"""Asking for something: what, check, a fresh code, done. Nothing happens before the last step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from dsar import law, services
from dsar.models import SubjectRequest
from dsar.portal.wording import number
from dsar.terms import Channel, RequestKind, RequestState
from identity_privacy.access import presence
from identity_privacy.access.directory import directory
from identity_privacy.access.forms import CodeForm
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.presence import for_subject
from identity_privacy.actors import Actor
from identity_privacy.clock import today
from identity_privacy.delivery.models import Link, System
from profiles.models import Attribute
from profiles.terms import Category

_LAW: Final = "gdpr"


@dataclass(frozen=True, slots=True)
class Heap:
    """Some of the person's data that belongs together, and who has it."""

    title: str
    labels: Sequence[str]
    holders: Sequence[str]


@never_cache
@require_safe
@for_subject
def choose(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """Ask what the person would like: a copy, or an erasure."""
    return render(request, "dsar/choose.html", {"current": "requests"})


@never_cache
@require_http_methods(["GET", "POST"])
@for_subject
def check(request: PortalRequest, subject_id: UUID, kind: str) -> HttpResponse:
    """What would happen, shown before anything does; going on needs a fresh code."""
    asked = _kind(kind)
    open_one = SubjectRequest.objects.of(request.controller.id).open().by(subject_id).filter(kind=asked).first()
    if open_one:
        return redirect("dsar:request", open_one.reference)
    if request.method == "POST":
        if presence.is_fresh(request):
            return _submit(request, subject_id, asked)
        return presence.step_up(request, subject_id, back_to=request.path, code_page=reverse("dsar:code", args=[kind]))
    return render(request, f"dsar/check_{asked.value}.html", _what_would_happen(request, subject_id))


@never_cache
@require_http_methods(["GET", "POST"])
@for_subject
def code(request: PortalRequest, subject_id: UUID, kind: str) -> HttpResponse:
    """Take the code; with the right one the request is sent."""
    asked = _kind(kind)
    if presence.awaited_code(request) is None:
        return redirect("dsar:check", kind)
    form = CodeForm(request.POST if request.method == "POST" else None)
    if presence.confirm_by_code(request, subject_id, form):
        return _submit(request, subject_id, asked)
    context = {"current": "requests", "form": form, "kind": kind, "is_erasure": asked is RequestKind.ERASURE}
    return render(request, "dsar/code.html", context)


def _submit(request: PortalRequest, subject_id: UUID, kind: RequestKind) -> HttpResponse:
    # A fresh code has shown who asks, so nobody needs to look at it first: taken in and accepted as one.
    with transaction.atomic():
        row = services.submit_request(
            actor=Actor.subject(subject_id),
            controller=request.controller,
            subject_id=subject_id,
            kind=kind,
            channel=Channel.PORTAL,
            contact_email=directory().address_of(subject_id),
        )
        if row.state == RequestState.RECEIVED:
            services.accept_request(actor=Actor.service("portal"), request=row)
    presence.follow(request, row.id)
    return redirect("dsar:sent", row.reference)


def _kind(kind: str) -> RequestKind:
    if kind not in RequestKind.values:
        raise Http404
    return RequestKind(kind)


def _what_would_happen(request: PortalRequest, subject_id: UUID) -> dict[str, object]:
    controller = request.controller
    systems = [link.system for link in Link.objects.of_subject(subject_id)]
    labels: dict[Category, list[str]] = {}
    for attribute in Attribute.objects.about(subject_id):
        labels.setdefault(Category(attribute.definition.category), []).append(attribute.definition.label)
    return {
        "current": "requests",
        "heaps": [
            Heap(str(category.label), names, [system.name for system in systems if category in system.categories])
            for category, names in labels.items()
        ],
        "places": (places := System.objects.of(controller.id).active().count()),
        "places_in_words": number(places),
        "due_on": law.deadline(controller, law=_LAW, received_on=today(controller.zone)).due_on,
        "is_fresh": presence.is_fresh(request),
    }
