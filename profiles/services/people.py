"""What happens to one person's profile."""

from uuid import UUID

from django.db import transaction

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from profiles.errors import UnknownPerson
from profiles.models import Identifier, Profile
from profiles.terms import IdentifierKind


@transaction.atomic
def restrict_profile(*, actor: Actor, subject_id: UUID, reason: str) -> Profile:
    """Stop every use of a person's data; what is stored stays until it is erased or the restriction is lifted.

    Raises: UnknownPerson. Source: GDPR Art. 18.
    """
    profile = Profile.objects.select_for_update().living().filter(id=subject_id).first()
    if profile is None:
        raise UnknownPerson(str(subject_id))
    profile.restricted_at = profile.restricted_at or clock.now()
    profile.save(update_fields=["restricted_at"])
    record(
        actor=actor,
        action="profile.restricted",
        target=("profile", profile.id),
        controller_id=profile.controller_id,
        subject_id=profile.id,
        reason=reason,
    )
    return profile


@transaction.atomic
def verify_identifier(*, actor: Actor, subject_id: UUID, kind: IdentifierKind, value: str) -> Identifier | None:
    """Note that a person showed an identifier to be theirs, and theirs alone unless another holds it so already."""
    profile = Profile.objects.living().get(id=subject_id)
    named = Identifier.objects.naming(profile.controller_id, kind, value)
    identifier = named.filter(profile=profile).select_for_update().first()
    if identifier is None:
        return None
    identifier.verified_at = identifier.verified_at or clock.now()
    identifier.is_exclusive = identifier.is_exclusive or not named.filter(is_exclusive=True).exists()
    identifier.save(update_fields=["verified_at", "is_exclusive"])
    record(
        actor=actor,
        action="identifier.verified",
        target=("identifier", identifier.id),
        controller_id=profile.controller_id,
        subject_id=subject_id,
    )
    return identifier
