"""The vocabulary of keys."""

from django.db.models import TextChoices


class KeyKind(TextChoices):
    """What a data key is for; it dies with what it is for."""

    PROFILE = "profile"  # a person's values, identifiers, links and messages; destroyed by erasure
    REQUEST = "request"  # one subject request: contact, messages, answers, package; destroyed when it has ended
    COMMITMENT = "commitment"  # what audit entries commit to of a person; rotation keeps it, erasure destroys it
    STAFF = "staff"  # what a member of staff signs in with
    CONTROLLER_SECRETS = "controller_secrets"  # a controller's secrets shared with its linked systems


class SigningUse(TextChoices):
    """What a signing key signs; each use has a key of its own."""

    CHECKPOINT = "checkpoint"  # the audit log's checkpoints
    CERTIFICATE = "certificate"  # completion certificates
    WEBHOOK = "webhook"  # messages to linked systems (v1a)


class IndexKeyState(TextChoices):
    """Where a blind index's key stands; look-ups ask under every key that there is."""

    CURRENT = "current"  # the index column is under it
    FILLING = "filling"  # its successor: writers fill the next-index column under it, and so does the rotation
    TAKING_OVER = "taking_over"  # the next-index column is full: writers write both columns under it
