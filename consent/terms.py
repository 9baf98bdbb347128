"""The vocabulary of consent."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class LegalBasis(TextChoices):
    """Why a use is lawful (GDPR Art. 6(1)(a)-(f))."""

    CONSENT = "consent", _("Consent")
    CONTRACT = "contract", _("Contract")
    LEGAL_OBLIGATION = "legal_obligation", _("Legal obligation")
    VITAL_INTERESTS = "vital_interests", _("Vital interests")
    PUBLIC_TASK = "public_task", _("Public task")
    LEGITIMATE_INTERESTS = "legitimate_interests", _("Legitimate interest")


class ConsentAction(TextChoices):
    """What a person did about a purpose; of two at one moment the more restrictive counts."""

    GIVEN = "given", _("Given")  # Art. 4(11)
    REFUSED = "refused", _("Refused")
    WITHDRAWN = "withdrawn", _("Withdrawn")  # Art. 7(3)
    OBJECTED = "objected", _("Objected")  # Art. 21


class Channel(TextChoices):
    """Where it happened."""

    PORTAL = "portal", _("In this portal")
    IMPORT = "import", _("Imported")
    API = "api", _("By a linked system")
