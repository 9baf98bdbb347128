"""What one may do for a controller, the roles that may, and how one signs in and for how long."""

from collections.abc import Mapping, Set
from datetime import timedelta
from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Permission(TextChoices):
    """One thing that one may do for a controller; a role is a set of them."""

    WORK_CONSOLE = "work_console", "Can work in the console"
    SEE_REQUESTS = "see_requests", "Can see subject requests and their plans"
    SEE_PEOPLE = "see_people", "Can see people by pseudonym"
    SEE_CONSENT = "see_consent", "Can see purposes, notices and counts of answers"
    SEE_SYSTEMS = "see_systems", "Can see linked systems and messages to them"
    SEND_AGAIN = "send_again", "Can send a message again that was given up"
    SEE_LOG = "see_log", "Can see audit entries"
    CHECK_LOG = "check_log", "Can have the audit log checked"
    EXPORT_LOG = "export_log", "Can download audit entries"


class Role(TextChoices):
    """What somebody is for a controller; one may be several, and another at another controller."""

    DPO = "dpo", _("Data protection officer")  # GDPR Art. 37 to 39
    PRIVACY_ANALYST = "privacy_analyst", _("Privacy analyst")  # works on requests and what holds them up
    SUPPORT_AGENT = "support_agent", _("Support agent")  # answers people who call or write
    AUDITOR = "auditor", _("Auditor")  # reads only, and never a person's page
    API_READER = "api_reader", _("Read-only API client")  # a program, no member of staff


_LOOKS: Final = frozenset(
    {
        Permission.WORK_CONSOLE,
        Permission.SEE_REQUESTS,
        Permission.SEE_CONSENT,
        Permission.SEE_SYSTEMS,
        Permission.SEE_LOG,
    }
)

PERMISSIONS: Final[Mapping[Role, Set[Permission]]] = {
    Role.DPO: frozenset(Permission),
    Role.PRIVACY_ANALYST: _LOOKS | {Permission.SEE_PEOPLE, Permission.SEND_AGAIN},
    Role.SUPPORT_AGENT: frozenset(
        {Permission.WORK_CONSOLE, Permission.SEE_REQUESTS, Permission.SEE_PEOPLE, Permission.SEE_CONSENT}
    ),
    Role.AUDITOR: _LOOKS | {Permission.CHECK_LOG, Permission.EXPORT_LOG},
    Role.API_READER: frozenset({Permission.SEE_REQUESTS, Permission.SEE_LOG}),
}
# Whoever breaks the glass may do all of this for a while; there is no superuser.
IN_AN_EMERGENCY: Final = PERMISSIONS[Role.DPO]
LONGEST_EMERGENCY: Final = timedelta(hours=4)
# Programs have these, people the others. The scopes of a token are permissions (RFC 6749, 3.3).
OF_PROGRAMS: Final[Set[Role]] = frozenset({Role.API_READER})


class SignInMethod(TextChoices):
    """How somebody showed who they are."""

    CODE = "code", _("A code from an e-mail")
    PASSKEY = "passkey", _("A passkey")  # W3C Web Authentication
    ACCOUNT = "account", _("Another account")  # OpenID Connect


class Familiarity(TextChoices):
    """Whether a sign-in looks like the ones before it."""

    FIRST = "first", _("The first time")
    KNOWN = "known", _("As before")
    NEW_PLACE = "new_place", _("From a network not used before")
    NEW_DEVICE = "new_device", _("With a browser not used before")


# A sign-in ends when nothing was asked for so long, and after so long in any case; somebody else may be at the device
# (NIST SP 800-63B, 4.2.3).
SIGNED_IN_IDLE: Final = timedelta(minutes=30)
SIGNED_IN_AT_MOST: Final = timedelta(hours=12)
