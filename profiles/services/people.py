"""What happens to one person's profile."""

from uuid import UUID

from django.db import transaction

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from profiles.errors import UnknownPerson
from profiles.models import Profile


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
