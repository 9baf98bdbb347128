"""The log's tables. The database itself refuses to change or delete entries, their order and checkpoints."""

from django.db import models
from uuid_utils.compat import uuid7

from identity_privacy.actors import ActorKind


class Entry(models.Model):
    """One thing that was done: who, what, on what, for whom, why and when; never a personal value."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    controller_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = (
            models.Index(fields=["subject_id", "id"], name="entry_by_subject"),
            models.Index(fields=["target_id", "id"], name="entry_by_target"),
            models.Index(fields=["controller_id", "id"], name="entry_by_controller"),
        )


class Sequenced(models.Model):
    """An entry's place in the log, and its leaf hash (RFC 6962)."""

    index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT)
    leaf_hash = models.BinaryField(max_length=32)


class Tile(models.Model):
    """Up to 256 consecutive hashes of one level of the tree (level 0: leaves; level 1: every 8th level above)."""

    id = models.BigAutoField(primary_key=True)
    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["level", "index"], name="one_tile_per_place"),)


class Checkpoint(models.Model):
    """A signed statement of the log's size and root hash at one moment."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    at = models.DateTimeField()
    note = models.TextField(help_text="The signed note (C2SP tlog-checkpoint)")
