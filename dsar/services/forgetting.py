"""What was sealed for a request ends: with its person's erasure, or some time after the request has ended."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from dsar.errors import NotNow
from dsar.models import SubjectRequest, Task
from dsar.packages import package_path
from dsar.services.entries import enter_request
from dsar.services.sweeping import each
from dsar.terms import RequestKind
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.crypto.destruction import destroy_owner_keys
from profiles.models import Profile

SERVICE = Actor.service("forgetting")
# For how long the certificate, or the copy of somebody who was erased meanwhile, can still be had.
OFFERED = timedelta(days=30)


def forget_due() -> int:
    """Forget what was sealed for requests that ended 30 days ago; says how many.

    A copy that was asked for beside an erasure ends as long after its answer, since its person has left.
    Source: GDPR Art. 5(1)(e).
    """
    until = clock.now() - OFFERED
    erased = Profile.objects.exclude(erased_at=None).values("id")
    ended = Q(closed_at__lte=until) | Q(kind=RequestKind.ACCESS, answered_at__lte=until, subject_id__in=erased)
    ids = list(SubjectRequest.objects.filter(ended, forgotten_at=None).values_list("id", flat=True))
    return each(ids, lambda request_id: forget_request(request_id=request_id))


def forget_request(*, request_id: UUID) -> None:
    """Destroy a request's key and remove what was under it: address, answers, package, certificate; safe to repeat.

    Call it outside a transaction. Raises: NotNow, while the person waits for the answer; NotForgotten.
    """
    request = SubjectRequest.objects.get(id=request_id)
    if request.is_open():
        raise NotNow(f"{request.reference} is {request.state}")
    if request.package_name:
        package_path(request).unlink(missing_ok=True)
    destroy_owner_keys([request.id])
    _note(request)


@transaction.atomic
def _note(request: SubjectRequest) -> None:
    # Conditional: of two workers one writes the entry. Killed before this, the next one comes here again.
    changed = SubjectRequest.objects.filter(id=request.id, forgotten_at=None).update(
        forgotten_at=clock.now(), contact=None, package_name="", certificate=None, supplement=None
    )
    if not changed:
        return
    Task.objects.filter(request=request).update(
        reason=None, locator=None, answer=None, evidence=None, recheck_evidence=None
    )
    enter_request(SERVICE, "request.forgotten", request)
