"""The vocabulary of profiles."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Stage(TextChoices):
    """How well the controller knows the person; a person moves from the first to the last."""

    ANONYMOUS = "anonymous", _("Anonymous")  # a device only
    LITE = "lite", _("Lite")  # an address, no account
    FULL = "full", _("Full")  # an account
    LINKED = "linked", _("Linked")  # known in linked systems too


class IdentifierKind(TextChoices):
    """What can name a person."""

    EMAIL = "email", _("E-mail")
    PHONE = "phone", _("Phone")
    SOURCE_RECORD = "source_record", _("Record id")  # the record's id in the system that it came from


class Category(TextChoices):
    """Under which heading a person reads an attribute."""

    IDENTITY = "identity", _("Who you are")
    CONTACT = "contact", _("How to reach you")
    OFFICIAL = "official", _("Official numbers")
