"""The little that these pages open of a person outside their own data page."""

from typing import Final
from uuid import UUID

from identity_privacy.actors import Actor
from identity_privacy.crypto.reading import Reading
from profiles.models import Attribute, Profile

_GIVEN_NAME: Final = "given_name"


def given_name_of(subject_id: UUID) -> str:
    """What to greet them by; empty if we do not know it."""
    name = Attribute.objects.about(subject_id).filter(definition__code=_GIVEN_NAME).select_related("profile").first()
    if name is None:
        return ""
    with _reading(name.profile, "portal.greeting", "To greet them by name"):
        return str(name.value).title()


def _reading(profile: Profile, purpose: str, reason: str) -> Reading:
    return Reading(
        actor=Actor.subject(profile.id),
        purpose=purpose,
        subject_id=profile.id,
        controller_id=profile.controller_id,
        reason=reason,
    )
