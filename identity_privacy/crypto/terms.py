"""The vocabulary of keys."""

from django.db.models import TextChoices


class KeyKind(TextChoices):
    """What a data key is for; it dies with what it is for."""

    PROFILE = "profile"  # a person's values, identifiers, links and messages; destroyed by erasure
    REQUEST = "request"  # one subject request: contact, messages, answers, package; destroyed when it has ended
    CONTROLLER_SECRETS = "controller_secrets"  # a controller's secrets shared with its linked systems


class SigningUse(TextChoices):
    """What a signing key signs; each use has a key of its own."""

    CHECKPOINT = "checkpoint"  # the audit log's checkpoints
    CERTIFICATE = "certificate"  # completion certificates
    WEBHOOK = "webhook"  # messages to linked systems (v1a)
