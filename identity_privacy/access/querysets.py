"""Reads of access that have a name."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

from identity_privacy.access.terms import SIGNED_IN_AT_MOST, SIGNED_IN_IDLE

if TYPE_CHECKING:
    from identity_privacy.access.models import ApiSecret, Session  # noqa: F401  # names for the type arguments


class ApiSecretQuerySet(models.QuerySet["ApiSecret"]):
    """Secrets by what they are good for."""

    def valid(self, moment: datetime) -> Self:
        """Those that are not too old, of programs that are neither revoked nor switched off."""
        in_time = models.Q(valid_until=None) | models.Q(valid_until__gt=moment)
        return self.filter(in_time, client__revoked_at=None, client__user__is_active=True)


class SessionQuerySet(models.QuerySet["Session"]):
    """Sessions by what they are good for."""

    def signed_in(self, moment: datetime) -> Self:
        """Those in which somebody is signed in still."""
        return self.filter(
            user__is_active=True, seen_at__gt=moment - SIGNED_IN_IDLE, begun_at__gt=moment - SIGNED_IN_AT_MOST
        )
