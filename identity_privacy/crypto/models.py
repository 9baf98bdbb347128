"""The tables of the keys database; nothing in them opens without the root key."""

from django.db import models
from uuid_utils.compat import uuid7

from identity_privacy.crypto.terms import KeyKind, SigningUse


class ControllerKey(models.Model):
    """A controller's key-encryption key (KEK), wrapped by the root key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller_id = models.UUIDField(unique=True)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()


class DataKey(models.Model):
    """A data key (DEK), wrapped by its controller's KEK; deleting the row is what erases the values under it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, choices=KeyKind)
    controller_key = models.ForeignKey(ControllerKey, on_delete=models.PROTECT, related_name="+")
    owner_id = models.UUIDField(db_index=True, help_text="What it is for: a profile, a request, a controller")
    subject_id = models.UUIDField(null=True, db_index=True, help_text="The person whose values it seals, if one")
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()


class IndexKey(models.Model):
    """The key of a blind index, one per controller and field, wrapped by the controller's KEK."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller_key = models.ForeignKey(ControllerKey, on_delete=models.PROTECT, related_name="+")
    field = models.CharField(max_length=64)
    version = models.PositiveSmallIntegerField(default=1)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["controller_key", "field", "version"], name="one_index_key_per_version"),
        )


class SigningKey(models.Model):
    """An Ed25519 key that signs for one use; its private half is wrapped by the root key, its public half published."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    use = models.CharField(max_length=32, choices=SigningUse)
    public_key = models.BinaryField(max_length=32)
    wrapped = models.BinaryField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["use"], condition=models.Q(valid_until=None), name="one_current_signing_key_per_use"
            ),
        )


class Tombstone(models.Model):
    """That a person's keys were destroyed, when, and on which day the last backup that holds them ends."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_id = models.UUIDField(unique=True)
    destroyed_at = models.DateTimeField()
    backups_end_on = models.DateField()
