"""Signing somebody out everywhere, which several verbs do."""

from uuid import UUID

from identity_privacy.access.models import Session, User
from identity_privacy.clock import machine_now


def sign_out_everywhere(user: User, *, but: UUID | None = None) -> int:
    """End somebody's sessions, all or all but one; says how many. Whoever is half way in does not come in either."""
    sessions = Session.objects.filter(user=user)
    ended, _ = (sessions.exclude(id=but) if but else sessions).delete()
    User.objects.filter(pk=user.pk).update(signed_out_at=machine_now())
    return ended
