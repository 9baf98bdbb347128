"""Reads of requests that have a name."""

from datetime import datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.db import models

from dsar.terms import RequestState, TaskState
from identity_privacy.crypto.querysets import SealedQuerySet

if TYPE_CHECKING:
    from dsar.models import SubjectRequest, Task  # noqa: F401  # names for the type arguments

OPEN = (RequestState.RECEIVED, RequestState.FULFILLING)


class SubjectRequestQuerySet(SealedQuerySet["SubjectRequest"]):
    """Requests of people."""

    def of(self, controller_id: UUID) -> Self:
        """Those to one controller."""
        return self.filter(controller_id=controller_id)

    def by(self, subject_id: UUID) -> Self:
        """One person's, newest first."""
        return self.filter(subject_id=subject_id).order_by("-received_at", "-id")

    def open(self) -> Self:
        """Those whose person still waits for the answer, the most urgent first."""
        return self.filter(state__in=OPEN).order_by("due_on", "received_at")

    def not_forgotten(self) -> Self:
        """Those that have not ended for good: what was sealed for them is still there."""
        return self.filter(forgotten_at=None)

    def ended_by(self, moment: datetime) -> Self:
        """Those that had been answered, closed or withdrawn by then."""
        return self.filter(models.Q(answered_at__lte=moment) | models.Q(closed_at__lte=moment))


class TaskQuerySet(SealedQuerySet["Task"]):
    """Systems' parts in requests."""

    def unanswered(self) -> Self:
        """Those that have not reported."""
        return self.exclude(state=TaskState.REPORTED)
