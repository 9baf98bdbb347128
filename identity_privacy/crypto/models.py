"""The tables of the keys database; nothing in them opens without the root key."""

from django.db import models
from uuid_utils.compat import uuid7

from identity_privacy.crypto.terms import IndexKeyState, KeyKind, SigningUse


class ControllerKey(models.Model):
    """A controller's key-encryption key (KEK), wrapped by the root key; while it is rotated there are two."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller_id = models.UUIDField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, help_text="Since when new keys hang on its successor")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["controller_id"], condition=models.Q(retired_at=None), name="one_current_key_per_controller"
            ),
        )


class DataKey(models.Model):
    """A data key (DEK), wrapped by its controller's KEK; deleting the row is what erases the values under it.

    It keeps its id when it is rotated: `previous` holds the material from before until every value is sealed anew.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, choices=KeyKind)
    # Neither index nor constraint: only a rotation asks by it, which walks the table anyway and waits for writers; a
    # constraint would cost each new key a fifth of its time, and lock the controller's row for all of them.
    controller_key = models.ForeignKey(
        ControllerKey, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    owner_id = models.UUIDField(help_text="What it is for: a profile, a request, a controller")
    subject_id = models.UUIDField(null=True, db_index=True, help_text="The person whose values it seals, if one")
    wrapped = models.BinaryField()
    previous = models.BinaryField(null=True, help_text="The material before a rotation that is not finished")
    retired_at = models.DateTimeField(null=True, help_text="Since when nothing new is sealed under it")
    created_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=["id"], condition=models.Q(previous__isnull=False), name="data_keys_in_rotation"),
            # A profile's key is found by its person.
            models.Index(fields=["owner_id"], condition=~models.Q(kind=KeyKind.PROFILE), name="data_keys_by_owner"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["owner_id"],
                condition=models.Q(kind=KeyKind.COMMITMENT),
                name="one_commitment_key_per_person",
            ),
        )


class IndexKey(models.Model):
    """The key of a blind index, one per controller and field; while it is rotated there are two versions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller_id = models.UUIDField()
    controller_key = models.ForeignKey(ControllerKey, on_delete=models.PROTECT, related_name="+")
    field = models.CharField(max_length=64)
    version = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=16, choices=IndexKeyState, default=IndexKeyState.CURRENT)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["controller_id", "field", "version"], name="one_index_key_per_version"),
            models.UniqueConstraint(
                fields=["controller_id", "field"],
                condition=models.Q(state=IndexKeyState.CURRENT),
                name="one_current_index_key",
            ),
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
    keys = models.PositiveIntegerField(default=0, help_text="How many the last destruction destroyed, in all its tries")
    change = models.PositiveBigIntegerField(help_text="Which change of the table of data keys (`Remains`) it was")
    forgotten_at = models.DateTimeField(null=True, help_text="Since when no file of the database holds their bytes")
    backups_end_on = models.DateField()


class Remains(models.Model):
    """What keys that were destroyed or replaced may have left in the file of one table, and until when backups have it.

    The file holds nothing of the first `forgotten` of `changes`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    table = models.CharField(max_length=64, unique=True)
    changes = models.PositiveBigIntegerField(default=0)
    forgotten = models.PositiveBigIntegerField(default=0)
    rewritten_at = models.DateTimeField(null=True)
    rewrite_seconds = models.FloatField(default=0.0)
    backups_end_on = models.DateField(null=True, help_text="The last day of a backup with a key that was in this table")


class Incident(models.Model):
    """A stored value that did not open: which place, and who read it; the audit log takes it over from here.

    It stands in the keys database because the failure usually rolls the data's transaction back.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    code = models.CharField(max_length=32, help_text="The error's code")
    place = models.CharField(max_length=100)
    row_id = models.UUIDField()
    key_id = models.UUIDField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    purpose = models.CharField(max_length=100)
    controller_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True)


class KnownCheckpoint(models.Model):
    """The newest checkpoint of the audit log that one holder has: the service itself, or a witness.

    It stands in the keys database, so that a log which was restored from an older backup of the data is found out.
    Beside it, `is_astray`, may stand one that was shown to us and which the log does not hold.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    holder = models.CharField(max_length=64, help_text="A witness's name; nothing for the service itself")
    is_astray = models.BooleanField(default=False)
    epoch = models.PositiveIntegerField()
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["holder", "is_astray"], name="one_known_checkpoint_each"),)


class PendingEntry(models.Model):
    """An audit entry of something that must be told even where the data's transaction rolls back, such as a reading.

    The log takes it over from here, under its own id, unless the transaction that it was entered in committed.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    at = models.DateTimeField()
    fields = models.JSONField(help_text="The entry's columns; like every entry without a personal value")
    written_in = models.BigIntegerField(null=True, help_text="The data's transaction, as PostgreSQL numbers them")
