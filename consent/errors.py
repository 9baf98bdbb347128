"""What can go wrong with consent."""

from identity_privacy.errors import Refused


class NotAskedFor(Refused):
    """This purpose does not rest on consent, so there is no yes to give or take back (GDPR Art. 6(1))."""

    code = "not-asked-for"
    title = "This use does not rest on a yes"


class PersonErased(Refused):
    """The person was erased or is being erased; nothing new is recorded about them."""

    code = "person-erased"
    title = "This person was erased"
