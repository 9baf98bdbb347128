"""The vocabulary of subject requests."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class RequestKind(TextChoices):
    """What a person may ask for."""

    ACCESS = "access", _("Get a copy of my data")  # GDPR Art. 15
    ERASURE = "erasure", _("Erase my data")  # GDPR Art. 17


class RequestState(TextChoices):
    """Where a request stands; `dsar.rules` holds which may follow which."""

    RECEIVED = "received", _("Received")  # identity is shown by the fresh sign-in that it was sent with
    FULFILLING = "fulfilling", _("In progress")  # every system was asked, not all have answered
    ANSWERED = "answered", _("Answered")  # the person was told; the clock has stopped
    RECHECKING = "rechecking", _("Checking again")  # systems are asked once more
    CLOSED = "closed", _("Ended")
    WITHDRAWN = "withdrawn", _("Withdrawn")  # by the person, before anything was done


class TaskState(TextChoices):
    """The ladder that one system climbs for one request."""

    PLANNED = "planned", _("Planned")
    ASKED = "asked", _("Asked")
    ACCEPTED = "accepted", _("Accepted")
    REPORTED = "reported", _("Answered")


class Outcome(TextChoices):
    """What a system says it did."""

    DONE = "done", _("Done")
    NOTHING_FOUND = "nothing_found", _("Nothing found")
    KEPT = "kept", _("Kept, and why")
    FAILED = "failed", _("Failed")


class Check(TextChoices):
    """What is known beyond the system's first answer."""

    CONFIRMED_AGAIN = "confirmed_again", _("Says so again")  # the system repeats its claim
    CHECKED = "checked", _("Checked by us")  # we read it ourselves
    CAME_BACK = "came_back", _("Came back")  # data was there once more; the system was asked again


class EvidenceKind(TextChoices):
    """What an outcome rests on; kinds are never mixed."""

    PARTNER_ED25519 = "partner_ed25519", _("Signed by the system")  # verifies offline
    RECORDED_RESPONSE = "recorded_response", _("Recorded by us")  # our word
    ROW_COUNTS = "row_counts", _("Rows counted")
    OWN_READ = "own_read", _("Read by us")


class Channel(TextChoices):
    """How a request came in."""

    PORTAL = "portal", _("Portal")
    CONSOLE = "console", _("Console")
    COMMAND = "command", _("Command line")
