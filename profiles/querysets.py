"""Reads of people that have a name."""

from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.db import models

from identity_privacy.crypto.blind_index import blind_indexes
from identity_privacy.crypto.querysets import SealedQuerySet
from profiles.terms import IdentifierKind

if TYPE_CHECKING:
    from profiles.models import Attribute, Identifier, Profile  # noqa: F401  # names for the type arguments


class ProfileQuerySet(models.QuerySet["Profile"]):
    """People."""

    def of(self, controller_id: UUID) -> Self:
        """Those of one controller."""
        return self.filter(controller_id=controller_id)

    def living(self) -> Self:
        """Those who were not erased."""
        return self.filter(erased_at=None)


class IdentifierQuerySet(SealedQuerySet["Identifier"]):
    """What names people."""

    def naming(self, controller_id: UUID, kind: IdentifierKind, value: str) -> Self:
        """The one that equals `value`, found through the blind index. Raises: Invalid."""
        hashes = blind_indexes(controller_id, kind, value)
        return self.filter(controller_id=controller_id, kind=kind, index__in=hashes)


class AttributeQuerySet(SealedQuerySet["Attribute"]):
    """Facts about people."""

    def about(self, subject_id: UUID) -> Self:
        """One person's, in the order of their definitions."""
        return self.filter(profile_id=subject_id).select_related("definition").order_by("definition__position")
