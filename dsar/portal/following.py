"""Following requests: the list, one request with its places, its downloads, and taking it back."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from dsar import services
from dsar.models import SubjectRequest, Task
from dsar.packages import open_package
from dsar.portal import truth
from dsar.portal.systems import Bar, SystemRow, bar_of, row_of
from dsar.portal.truth import Truth
from dsar.portal.wording import number
from dsar.services.forgetting import OFFERED
from dsar.standing import standing_of
from dsar.terms import RequestKind, RequestState
from identity_privacy.access import presence
from identity_privacy.access.directory import directory
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.presence import at_controller, for_subject
from identity_privacy.actors import Actor
from identity_privacy.clock import today
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery.models import Message, System
from identity_privacy.tags import Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A request as a card."""

    request: SubjectRequest
    tag: Tag
    bar: Bar
    truth: Truth


@never_cache
@require_safe
@for_subject
def requests(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """All that the person asked us for, newest first."""
    return render(request, "dsar/requests.html", {"current": "requests", "summaries": summaries(request, subject_id)})


def summaries(request: PortalRequest, subject_id: UUID) -> list[Summary]:
    """The person's requests, newest first, each as a card."""
    day = today(request.controller.zone)
    rows = SubjectRequest.objects.of(request.controller.id).by(subject_id).prefetch_related("tasks")
    return [
        Summary(
            request=row,
            tag=truth.tag_of(row, today=day),
            bar=bar_of(tasks, row.kind),
            truth=truth.truth_of(row, tasks),
        )
        for row in rows
        for tasks in [_in_order(row)]
    ]


@never_cache
@require_safe
@at_controller
def follow(request: PortalRequest, reference: str) -> HttpResponse:
    """One request: where it stands, its date, each place, what happened and what comes.

    A page that polls sends along what it has `seen`, and is answered only when something has changed.
    """
    row = _mine(request, reference)
    tasks = _in_order(row)
    seen = _fingerprint(row, tasks)
    if request.headers.get("HX-Request"):
        before = request.GET.get("seen", "")
        if before == seen:
            return HttpResponse(status=204)
        rows = _rows(row, tasks)
        # The date and the acts beside it hang on the request alone; left as they are, an open explanation stays open.
        news = {"is_update": True, "aside_changed": before.split("-")[0] != seen.split("-")[0]}
        return render(request, "dsar/_progress.html", _context(request, row, tasks, rows, seen) | news)
    return render(request, "dsar/request.html", _context(request, row, tasks, _rows(row, tasks), seen))


@never_cache
@require_safe
@at_controller
def sent(request: PortalRequest, reference: str) -> HttpResponse:
    """The confirmation: what we have, the next date, what happens now."""
    row = _mine(request, reference)
    return render(
        request, "dsar/sent.html", {"current": "requests", "row": row, "is_erasure": row.kind == RequestKind.ERASURE}
    )


@never_cache
@require_POST
@at_controller
def withdraw(request: PortalRequest, reference: str) -> HttpResponse:
    """Take a request back, while nothing was done that cannot be undone."""
    row = _mine(request, reference, in_person=True)
    services.withdraw_request(actor=Actor.subject(row.subject_id), request=row)
    return redirect("dsar:request", reference)


@never_cache
@require_safe
@at_controller
def certificate(request: PortalRequest, reference: str) -> HttpResponse:
    """The signed certificate of what each place answered, to keep and to check without us."""
    row = _mine(request, reference)
    with _reading(row, "portal.certificate", "The person takes their certificate"):
        document = row.certificate
    if document is None:
        raise Http404
    name = f"certificate-{row.reference}.json"
    return JsonResponse(
        document, json_dumps_params={"indent": 2}, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@never_cache
@require_POST
@at_controller
def package(request: PortalRequest, reference: str) -> HttpResponse:
    """The person's copy, opened for them; it takes a fresh code, and each time it is taken is on record."""
    row = _mine(request, reference, in_person=True)
    if not row.package_name:
        raise Http404
    if not presence.is_fresh(request):
        return presence.step_up(request, row.subject_id, back_to=reverse("dsar:request", args=[reference]))
    with _reading(row, "portal.package", "The person takes their copy"):
        content = b"".join(open_package(row))
    name = f"{row.reference}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type="application/zip", headers=headers)


def _mine(request: PortalRequest, reference: str, *, in_person: bool = False) -> SubjectRequest:
    """The request, for the person who asked; once they were erased, for the browser that follows it; for nobody else.

    `in_person`: not for that browser, at which somebody else may sit by now.
    """
    row = SubjectRequest.objects.of(request.controller.id).filter(reference=reference).first()
    if row and row.subject_id == request.subject_id:
        return row
    if row and not in_person and row == followed_request(request):
        return row
    raise Http404


def followed_request(request: PortalRequest) -> SubjectRequest | None:
    """The request that this browser follows, of somebody who was erased and cannot sign in any more."""
    followed_id = presence.followed(request)
    row = SubjectRequest.objects.of(request.controller.id).filter(id=followed_id).first() if followed_id else None
    return row if row and directory().entry(row.subject_id) is None else None


def _reading(row: SubjectRequest, purpose: str, reason: str) -> Reading:
    """The person's own Reading of one request."""
    return Reading(
        actor=Actor.subject(row.subject_id),
        purpose=purpose,
        subject_id=row.subject_id,
        controller_id=row.controller_id,
        reason=reason,
    )


def _in_order(row: SubjectRequest) -> list[Task]:
    return sorted(row.tasks.all(), key=lambda task: task.position)


def _rows(row: SubjectRequest, tasks: Sequence[Task]) -> list[SystemRow]:
    does = dict(System.objects.filter(id__in=[task.system_id for task in tasks]).values_list("id", "what_it_does"))
    again = _next_tries(tasks)
    with _reading_of_reasons(row):
        return [
            row_of(
                task,
                row,
                what_it_does=does.get(task.system_id, "") if task.system_id else "",
                next_try=again.get(task.id),
            )
            for task in tasks
        ]


def _reading_of_reasons(row: SubjectRequest) -> AbstractContextManager[object]:
    """A Reading only where a system said why, so that other pages write no entry that somebody read something."""
    if not row.tasks.filter(reason__isnull=False).exists():
        return nullcontext()
    return _reading(row, "portal.request", "The person looks at what each place said")


def _next_tries(tasks: Sequence[Task]) -> Mapping[UUID, datetime]:
    """When a place that did not take our message is asked again."""
    messages = Message.objects.pending().filter(about_id__in=[task.id for task in tasks], attempt_count__gt=0)
    return {message.about_id: message.due_at for message in messages if message.about_id}


def _fingerprint(row: SubjectRequest, tasks: Sequence[Task]) -> str:
    """Changes when anything that the page says changes, but not when a next try only moves."""
    places = "\n".join(f"{task.id} {standing_of(task, row.kind).name}" for task in tasks)
    digest = hashlib.sha256(places.encode()).hexdigest()[:16]
    return f"{row.state}{'.certified' if _has_certificate(row) else ''}-{digest}"


def _context(
    request: PortalRequest, row: SubjectRequest, tasks: Sequence[Task], rows: Sequence[SystemRow], seen: str
) -> dict[str, object]:
    day = today(request.controller.zone)
    has_certificate = _has_certificate(row)
    places = [system for system, task in zip(rows, tasks, strict=True) if not task.is_own()]
    return {
        "current": "requests",
        "row": row,
        "tag": truth.tag_of(row, today=day),
        "truth": truth.truth_of(row, tasks),
        "own": [system for system, task in zip(rows, tasks, strict=True) if task.is_own()],
        "places": places,
        "places_in_words": number(len(places)),
        "timeline": truth.timeline_of(row, tasks, today=day),
        "why": truth.why_this_date(row),
        "kept": truth.what_we_keep(),
        "seen": seen,
        # Once all is answered and the certificate is there, nothing changes for weeks.
        "polls": row.is_open() or (row.state == RequestState.ANSWERED and not has_certificate),
        "is_erasure": row.kind == RequestKind.ERASURE,
        "can_withdraw": row.state == RequestState.RECEIVED
        or (row.state == RequestState.FULFILLING and row.kind == RequestKind.ACCESS),
        "has_certificate": has_certificate,
        "kept_until": row.closed_at + OFFERED if row.closed_at else None,
        "is_fresh": presence.is_fresh(request),
        "can_take_copy": bool(row.package_name) and request.subject_id == row.subject_id,
    }


def _has_certificate(row: SubjectRequest) -> bool:
    return SubjectRequest.objects.filter(id=row.id, certificate__isnull=False).exists()
