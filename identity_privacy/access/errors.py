"""What can go wrong when somebody signs in, when roles are given, and with programs."""

from django.utils.translation import gettext_lazy as _

from identity_privacy.errors import Invalid, Refused


class CodeNotAccepted(Invalid):
    """The code is wrong, too old, used, or was tried too often; which of these is not said."""

    code = "code-not-accepted"
    title = "This code does not open anything"

    def __init__(self) -> None:
        super().__init__(str(_("This code does not work. Check it, or let us send a new one")), field="code")


class ClientRevoked(Refused):
    """The program was shut out for good: make another one."""

    code = "client-revoked"
    title = "This API client was revoked"


class RoleAlreadySo(Refused):
    """The member of staff has this role for the controller already, or has not: there is nothing to do."""

    code = "role-already-so"
    title = "This is so already"


class AccountBarred(Refused):
    """The person has removed this account: it signs them in again once they let it in on their Security page."""

    code = "account-barred"
    title = "This account was removed"
