"""What access itself knows about a person: a user row, when and with what they signed in, and their codes."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import DEFAULT_DB_ALIAS

from identity_privacy.access.models import AuthenticatorSecret, SignIn, SignInCode, SignInTally, User
from identity_privacy.crypto.transactions import hold_person
from identity_privacy.subject_data import Section


class SignInStore:
    """Signing in. The rows hold no address and no name, but they are about the person."""

    name = "access"

    def collect(self, subject_id: UUID) -> Sequence[Section]:
        """When and with what they signed in here, and what they sign in with."""
        user = User.objects.filter(subject_id=subject_id).first()
        if user is None:
            return []
        sign_ins = [
            {
                "at": row.at.isoformat(timespec="seconds"),
                "with": str(row.get_method_display()),
                "browser": row.browser,
                "platform": row.platform,
            }
            for row in user.sign_ins.order_by("id")
        ]
        authenticators = [
            {"kind": str(one.get_type_display()), "since": one.created_at.isoformat(timespec="seconds")}
            for one in Authenticator.objects.filter(user=user).order_by("id")
        ]
        authenticators += [
            {"kind": one.provider, "since": one.date_joined.isoformat(timespec="seconds")}
            for one in SocialAccount.objects.filter(user=user).order_by("id")
        ]
        found = {"Signing in": sign_ins, "What you sign in with": authenticators}
        return [Section(title=title, rows=rows) for title, rows in found.items() if rows]

    def erase(self, subject_id: UUID) -> Mapping[str, int]:
        """Nobody signs in as them any more; a code under way opens nothing."""
        hold_person(subject_id, using=DEFAULT_DB_ALIAS)  # whoever links an account of theirs is done, or finds nobody
        # Locked first, as whoever makes or tries a code does; their codes go with it.
        tallies = list(SignInTally.objects.select_for_update().filter(who=subject_id))
        codes = SignInCode.objects.filter(tally__in=tallies).count()
        SignInTally.objects.filter(id__in=[tally.id for tally in tallies]).delete()
        # Their sign-ins, authenticators and secrets go with it; their sessions stay, as nobody's.
        users = User.objects.filter(subject_id=subject_id)
        sign_ins = SignIn.objects.filter(user__in=users).count()
        authenticators = Authenticator.objects.filter(user__in=users).count()
        accounts = SocialAccount.objects.filter(user__in=users).count()
        _, gone = users.delete()
        return {
            "sign_in_codes": codes,
            "sign_in_tallies": len(tallies),
            "sign_ins": sign_ins,
            "authenticators": authenticators,
            "accounts": accounts,
            "users": gone.get(User._meta.label, 0),
        }

    def remaining(self, subject_id: UUID) -> Mapping[str, int]:
        """How many rows are left."""
        return {
            "sign_in_codes": SignInCode.objects.filter(subject_id=subject_id).count(),
            "sign_in_tallies": SignInTally.objects.filter(who=subject_id).count(),
            "sign_ins": SignIn.objects.filter(user__subject_id=subject_id).count(),
            "authenticators": Authenticator.objects.filter(user__subject_id=subject_id).count(),
            "accounts": SocialAccount.objects.filter(user__subject_id=subject_id).count(),
            "authenticator_secrets": AuthenticatorSecret.objects.filter(user__subject_id=subject_id).count(),
            "users": User.objects.filter(subject_id=subject_id).count(),
        }
