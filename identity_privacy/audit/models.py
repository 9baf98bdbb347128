"""The log's tables. The database itself refuses to change or delete entries, their places and checkpoints."""

from django.db import models
from uuid_utils.compat import uuid7

from identity_privacy.actors import ActorKind
from identity_privacy.audit.transactions import CurrentTransaction


class Entry(models.Model):
    """One thing that was done: who, what, on what, for whom, why, when and from where; never a personal value.

    On PostgreSQL the table is partitioned by the range of its id, which begins with the time (see `partitions`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    controller_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True, help_text="The person whom it concerns, by pseudonym")
    reason = models.CharField(max_length=200, blank=True)
    purpose = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=64, blank=True, help_text="Which web request, task or command it was")
    network = models.CharField(max_length=43, blank=True, help_text="The network that it came from, never the address")
    details = models.JSONField(default=dict)
    commitments = models.JSONField(default=dict, help_text="To values, under a key of the person's (see `commitments`)")
    leaf_hash = models.BinaryField(max_length=32, help_text="RFC 6962, over the entry's canonical JSON")
    # How the sequencer finds what is new without a flag that would have to be changed.
    written_in = models.BigIntegerField(null=True, db_default=CurrentTransaction(), editable=False)

    class Meta:
        indexes = (
            models.Index(fields=["subject_id", "id"], name="entry_by_subject"),
            models.Index(fields=["target_id", "id"], name="entry_by_target"),
            models.Index(fields=["controller_id", "id"], name="entry_by_controller"),
            models.Index(fields=["actor_id", "id"], name="entry_by_actor"),
            models.Index(fields=["action", "id"], name="entry_by_action"),
            models.Index(fields=["request_id", "id"], name="entry_by_request"),
            models.Index(
                fields=["written_in", "id"], condition=models.Q(written_in__isnull=False), name="entry_by_transaction"
            ),
        )


class Sequenced(models.Model):
    """An entry's place in the log; each epoch of the log counts anew (see `continuity`)."""

    pk = models.CompositePrimaryKey("epoch", "index")
    epoch = models.PositiveIntegerField(default=1)
    index = models.BigIntegerField()
    # Without a constraint, which the database would look up once more for each of the thousands that get their place
    # together: a place whose entry is gone is found by verifying.
    entry = models.OneToOneField(Entry, models.DO_NOTHING, db_constraint=False)


class Tile(models.Model):
    """Up to 256 consecutive hashes of one level of the tree (level 0: leaves; level 1: every 8th level above)."""

    id = models.BigAutoField(primary_key=True)
    epoch = models.PositiveIntegerField(default=1)
    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["epoch", "level", "index"], name="one_tile_per_place"),)


class Checkpoint(models.Model):
    """A signed statement of the log's size and root hash at one moment."""

    pk = models.CompositePrimaryKey("epoch", "size")
    epoch = models.PositiveIntegerField(default=1)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    at = models.DateTimeField()
    note = models.TextField(help_text="The signed note (C2SP tlog-checkpoint)")


class Cosignature(models.Model):
    """A witness's signature on a checkpoint: it has seen the log only grow up to there (C2SP tlog-cosignature)."""

    id = models.BigAutoField(primary_key=True)
    epoch = models.PositiveIntegerField()
    size = models.BigIntegerField()
    witness = models.CharField(max_length=64, help_text="The name that it signs under")
    at = models.DateTimeField(help_text="When it signed, by its own clock")
    line = models.TextField(help_text="The line that is added to the checkpoint's note")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["epoch", "size", "witness"], name="one_cosignature_each"),)


class Horizon(models.Model):
    """From which transaction on the sequencer looks for new entries, on PostgreSQL; one row.

    Every entry that was written in an earlier one has its place. `cluster` tells where those numbers count: after a
    restore into another cluster they begin anew, and all entries are looked at until each has its place.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    cluster = models.CharField(max_length=20)
    written_in = models.BigIntegerField()
