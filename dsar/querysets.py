"""Reads of requests that have a name."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.db import models

from dsar.terms import Outcome, RequestState, TaskState

if TYPE_CHECKING:
    from dsar.models import SubjectRequest, Task  # noqa: F401  # names for the type arguments

OPEN = (RequestState.RECEIVED, RequestState.FULFILLING)


class SubjectRequestQuerySet(models.QuerySet["SubjectRequest"]):
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

    def overdue(self, today: date) -> Self:
        """Open, and the law's day has passed."""
        return self.open().filter(due_on__lt=today)

    def ended_by(self, moment: datetime) -> Self:
        """Those that had been answered, closed or withdrawn by then."""
        return self.filter(models.Q(answered_at__lte=moment) | models.Q(closed_at__lte=moment))

    def recheck_due(self, today: date) -> Self:
        """Answered erasures whose systems are to be asked once more."""
        return self.filter(state=RequestState.ANSWERED, recheck_on__lte=today)


class TaskQuerySet(models.QuerySet["Task"]):
    """Systems' parts in requests."""

    def unanswered(self) -> Self:
        """Those that have not reported."""
        return self.exclude(state=TaskState.REPORTED)

    def failed(self) -> Self:
        """Those that a person must look at."""
        return self.filter(outcome=Outcome.FAILED)
