"""Reads of delivery that have a name."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.db.models import Q

from identity_privacy.crypto.querysets import SealedQuerySet
from identity_privacy.delivery.terms import MessageState

if TYPE_CHECKING:
    from identity_privacy.delivery.models import Link, Message, System  # noqa: F401  # names for the type arguments


class SystemQuerySet(SealedQuerySet["System"]):
    """Linked systems."""

    def of(self, controller_id: UUID) -> Self:
        """Those of one controller, by code."""
        return self.filter(controller_id=controller_id).order_by("code")

    def active(self) -> Self:
        """Those that are asked."""
        return self.filter(is_active=True)


class LinkQuerySet(SealedQuerySet["Link"]):
    """Links of people to systems."""

    def of_subject(self, subject_id: UUID) -> Self:
        """All systems' links of one person, with the systems."""
        return self.filter(subject_id=subject_id).select_related("system")


class MessageQuerySet(SealedQuerySet["Message"]):
    """The outbox."""

    def of(self, controller_id: UUID) -> Self:
        """Those of one controller, newest first."""
        return self.filter(controller_id=controller_id).order_by("-id")

    def pending(self) -> Self:
        """Not yet delivered and not given up."""
        return self.filter(state=MessageState.PENDING)

    def dead(self) -> Self:
        """Given up: somebody has to look."""
        return self.filter(state=MessageState.DEAD)

    def claimable(self, *, now: datetime, machine_now: datetime) -> Self:
        """Due, and held by no worker that is still within its lease; what goes first stands first."""
        free = Q(lease_until=None) | Q(lease_until__lt=machine_now)
        return self.pending().filter(free, due_at__lte=now).order_by("priority", "due_at")

    def elsewhere_than(self, system_ids: Collection[UUID | None]) -> Self:
        """Without the messages to these systems; None stands for mail."""
        systems, is_mail_out = {system_id for system_id in system_ids if system_id}, None in system_ids
        rest = self.exclude(system_id__in=systems) if systems else self
        return rest.filter(system_id__isnull=False) if is_mail_out else rest
