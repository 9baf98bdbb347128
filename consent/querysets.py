"""Reads of consent that have a name."""

from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.db import models

from consent.terms import LegalBasis

if TYPE_CHECKING:
    from consent.models import ConsentEvent, ConsentState, Notice, Purpose  # noqa: F401  # names for the type arguments


class PurposeQuerySet(models.QuerySet["Purpose"]):
    """Uses of personal data."""

    def of(self, controller_id: UUID) -> Self:
        """Those of one controller, in its own order."""
        return self.filter(controller_id=controller_id).order_by("position", "code")

    def asked(self) -> Self:
        """Those that need a yes."""
        return self.filter(legal_basis=LegalBasis.CONSENT)

    def not_asked(self) -> Self:
        """Those that rest on something else than a yes."""
        return self.exclude(legal_basis=LegalBasis.CONSENT)


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Texts that people are shown."""

    def current(self, locale: str) -> Self:
        """The newest first, in this language."""
        return self.filter(locale=locale).order_by("-version")

    def shown_in(self, locale: str) -> Self:
        """What somebody who reads this language is shown first: the newest in it, else the newest in any."""
        is_other = models.Case(models.When(locale=locale, then=0), default=1)
        return self.order_by(is_other, "-version")


class ConsentEventQuerySet(models.QuerySet["ConsentEvent"]):
    """The ledger."""

    def about(self, subject_id: UUID) -> Self:
        """One person's, newest first."""
        return self.filter(subject_id=subject_id).select_related("purpose", "notice").order_by("-occurred_at", "-id")


class ConsentStateQuerySet(models.QuerySet["ConsentState"]):
    """Where people stand."""

    def of(self, subject_id: UUID) -> Self:
        """One person's, with purpose and the notice that it rests on."""
        return self.filter(subject_id=subject_id).select_related("purpose", "event__notice")
