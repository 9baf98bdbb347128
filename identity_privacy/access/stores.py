"""What access itself knows about a person: an opaque user row, and the codes they were sent."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from identity_privacy.access.models import SignInCode, SignInTally, User
from identity_privacy.subject_data import Section


class SignInStore:
    """Signing in. The rows hold no address and no name, but they are about the person."""

    name = "access"

    def collect(self, subject_id: UUID) -> Sequence[Section]:
        """When they last signed in here."""
        rows = [
            {"last_sign_in": user.last_login.isoformat(timespec="seconds") if user.last_login else ""}
            for user in User.objects.filter(subject_id=subject_id)
        ]
        return [Section(title="Signing in", rows=rows)] if rows else []

    def erase(self, subject_id: UUID) -> Mapping[str, int]:
        """Nobody signs in as them any more; a code under way opens nothing."""
        # Locked first, as whoever makes or tries a code does; their codes go with it.
        tallies = list(SignInTally.objects.select_for_update().filter(who=subject_id))
        codes = SignInCode.objects.filter(tally__in=tallies).count()
        SignInTally.objects.filter(id__in=[tally.id for tally in tallies]).delete()
        users, _ = User.objects.filter(subject_id=subject_id).delete()
        return {"sign_in_codes": codes, "sign_in_tallies": len(tallies), "users": users}

    def remaining(self, subject_id: UUID) -> Mapping[str, int]:
        """How many rows are left."""
        return {
            "sign_in_codes": SignInCode.objects.filter(subject_id=subject_id).count(),
            "sign_in_tallies": SignInTally.objects.filter(who=subject_id).count(),
            "users": User.objects.filter(subject_id=subject_id).count(),
        }
