"""Reads of access that have a name."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from identity_privacy.access.models import ApiSecret  # noqa: F401  # a name for the type argument


class ApiSecretQuerySet(models.QuerySet["ApiSecret"]):
    """Secrets by what they are good for."""

    def valid(self, moment: datetime) -> Self:
        """Those that are not too old, of programs that are neither revoked nor switched off."""
        in_time = models.Q(valid_until=None) | models.Q(valid_until__gt=moment)
        return self.filter(in_time, client__revoked_at=None, client__user__is_active=True)
