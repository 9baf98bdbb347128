"""When every system has reported, the person is answered; then the certificate is issued, with its proofs."""

from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import translation

from dsar.certificates import signed_certificate
from dsar.errors import NotNow
from dsar.models import SubjectRequest, Task
from dsar.packages import write_package
from dsar.rules import step
from dsar.services.entries import enter_request
from dsar.services.fulfilment import SERVICE, reading_of
from dsar.services.sweeping import each
from dsar.standing import standing_of
from dsar.terms import RequestKind, RequestState, TaskState
from identity_privacy import clock
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import sequence
from identity_privacy.delivery.models import System
from identity_privacy.delivery.services import enqueue
from identity_privacy.delivery.terms import Priority


def answer_due() -> int:
    """Answer every request whose systems have all reported, then issue the certificates that are due; says how many."""
    waiting = SubjectRequest.objects.filter(state=RequestState.FULFILLING, tasks__isnull=False)
    complete = waiting.exclude(tasks__state__in=[TaskState.PLANNED, TaskState.ASKED, TaskState.ACCEPTED]).distinct()
    ids = list(complete.values_list("id", flat=True))
    answered = each(ids, lambda request_id: answer_request(request_id=request_id))
    lacking = Q(certificate__isnull=True) | Q(state=RequestState.CLOSED, supplement__isnull=True)
    due = SubjectRequest.objects.filter(lacking, forgotten_at=None).exclude(answered_at=None)
    uncertified = list(due.exclude(kind=RequestKind.ACCESS, state=RequestState.CLOSED).values_list("id", flat=True))
    if uncertified:
        sequence()
    each(uncertified, lambda request_id: issue_certificate(request_id=request_id))
    return answered


@transaction.atomic
def answer_request(*, request_id: UUID) -> SubjectRequest:
    """Tell the person the outcome; the law's clock stops. A copy of their data is packaged first.

    Raises: NotNow, when it was answered already, or a system has not reported.
    """
    request = SubjectRequest.objects.select_for_update().get(id=request_id)
    if request.tasks.unanswered().exists():
        raise NotNow(f"{request.reference}: not every system has reported")
    request.state = step(RequestKind(request.kind), RequestState(request.state), RequestState.ANSWERED)
    request.answered_at = clock.now()
    with reading_of(request, "answer the person"):
        if request.kind == RequestKind.ACCESS:
            request.package_name = f"{request.reference}.zip.sealed"
            write_package(request, request.package_name)
        else:
            request.recheck_on = _recheck_on(request)
        if request.contact:
            _mail(request, request.contact)
    request.save()
    enter_request(
        SERVICE,
        "request.answered",
        request,
        outcomes=[f"{task.system_code}: {task.outcome}" for task in _tasks(request)],
    )
    return request


@transaction.atomic
def issue_certificate(*, request_id: UUID) -> SubjectRequest:
    """Issue the signed certificate of an answered request, or the supplement of one whose re-check has ended.

    Raises: NotYetSequenced, while no checkpoint covers one of the request's entries.
    """
    request = SubjectRequest.objects.select_for_update().get(id=request_id)
    issued = SubjectRequest.objects.filter(id=request_id)
    is_supplement = issued.filter(certificate__isnull=False).exists()
    if is_supplement and (request.state != RequestState.CLOSED or issued.filter(supplement__isnull=False).exists()):
        return request  # another worker came first
    targets = [str(request.id), *(str(task.id) for task in _tasks(request))]
    about = Entry.objects.filter(target_kind__in=["request", "task"], target_id__in=targets)
    entry_ids = list(about.exclude(action="certificate.issued").values_list("id", flat=True))
    with reading_of(request, "issue the certificate"):
        signed = signed_certificate(request, entry_ids, is_supplement=is_supplement)
    if is_supplement:
        request.supplement = signed
    else:
        request.certificate = signed
    request.save(update_fields=["supplement" if is_supplement else "certificate"])
    enter_request(SERVICE, "certificate.issued", request, supplement=is_supplement, entries=len(entry_ids))
    return request


def _tasks(request: SubjectRequest) -> list[Task]:
    return list(Task.objects.filter(request=request).order_by("position"))


def _recheck_on(request: SubjectRequest) -> date:
    """The day on which the most patient system is asked once more."""
    ids = [task.system_id for task in _tasks(request) if task.system_id]
    days = System.objects.filter(id__in=ids).values_list("recheck_after_days", flat=True)
    return clock.today(request.controller.zone) + timedelta(days=max(days, default=30))


def _mail(request: SubjectRequest, address: str) -> None:
    context = {
        "request": request,
        "places": [(task.system_name, standing_of(task, request.kind).value.words) for task in _tasks(request)],
        "url": f"{settings.PUBLIC_URL}/requests/{request.reference}/",
    }
    with translation.override("en"):
        enqueue(
            controller_id=request.controller_id,
            topic="mail.request_answered",
            body={
                "to": address,
                "subject": render_to_string("email/request_answered_subject.txt", context).strip(),
                "text": render_to_string("email/request_answered_message.txt", context),
            },
            data_key_id=request.data_key_id,
            about_id=request.id,
            subject_id=request.subject_id,
            priority=Priority.LEGAL,
        )
