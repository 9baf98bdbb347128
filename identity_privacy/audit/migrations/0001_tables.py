import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models

from identity_privacy.audit.partitions import CreatePartitionedModel
from identity_privacy.audit.transactions import CurrentTransaction


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "epoch", "size", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("epoch", models.PositiveIntegerField(default=1)),
                ("size", models.BigIntegerField()),
                ("root", models.BinaryField(max_length=32)),
                ("at", models.DateTimeField()),
                ("note", models.TextField(help_text="The signed note (C2SP tlog-checkpoint)")),
            ],
        ),
        migrations.CreateModel(
            name="Cosignature",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("epoch", models.PositiveIntegerField()),
                ("size", models.BigIntegerField()),
                ("witness", models.CharField(help_text="The name that it signs under", max_length=64)),
                ("at", models.DateTimeField(help_text="When it signed, by its own clock")),
                ("line", models.TextField(help_text="The line that is added to the checkpoint's note")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("epoch", "size", "witness"), name="one_cosignature_each")
                ],
            },
        ),
        migrations.CreateModel(
            name="Horizon",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("cluster", models.CharField(max_length=20)),
                ("written_in", models.BigIntegerField()),
            ],
        ),
        CreatePartitionedModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "actor_kind",
                    models.CharField(
                        choices=[
                            ("user", "user"),
                            ("subject", "subject"),
                            ("client", "client"),
                            ("system", "system"),
                            ("witness", "witness"),
                            ("service", "service"),
                            ("stranger", "stranger"),
                        ],
                        max_length=16,
                    ),
                ),
                ("actor_id", models.CharField(blank=True, max_length=64)),
                ("action", models.CharField(max_length=64)),
                ("target_kind", models.CharField(max_length=64)),
                ("target_id", models.CharField(max_length=64)),
                ("controller_id", models.UUIDField(null=True)),
                ("subject_id", models.UUIDField(help_text="The person whom it concerns, by pseudonym", null=True)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("purpose", models.CharField(blank=True, max_length=100)),
                (
                    "request_id",
                    models.CharField(blank=True, help_text="Which web request, task or command it was", max_length=64),
                ),
                (
                    "network",
                    models.CharField(
                        blank=True, help_text="The network that it came from, never the address", max_length=43
                    ),
                ),
                ("details", models.JSONField(default=dict)),
                (
                    "commitments",
                    models.JSONField(
                        default=dict, help_text="To values, under a key of the person's (see `commitments`)"
                    ),
                ),
                ("leaf_hash", models.BinaryField(help_text="RFC 6962, over the entry's canonical JSON", max_length=32)),
                ("written_in", models.BigIntegerField(db_default=CurrentTransaction(), editable=False, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["subject_id", "id"], name="entry_by_subject"),
                    models.Index(fields=["target_id", "id"], name="entry_by_target"),
                    models.Index(fields=["controller_id", "id"], name="entry_by_controller"),
                    models.Index(fields=["actor_id", "id"], name="entry_by_actor"),
                    models.Index(fields=["action", "id"], name="entry_by_action"),
                    models.Index(fields=["request_id", "id"], name="entry_by_request"),
                    models.Index(
                        condition=models.Q(("written_in__isnull", False)),
                        fields=["written_in", "id"],
                        name="entry_by_transaction",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Sequenced",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "epoch", "index", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("epoch", models.PositiveIntegerField(default=1)),
                ("index", models.BigIntegerField()),
                (
                    "entry",
                    models.OneToOneField(
                        db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to="audit.entry"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Tile",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("epoch", models.PositiveIntegerField(default=1)),
                ("level", models.PositiveSmallIntegerField()),
                ("index", models.BigIntegerField()),
                ("hashes", models.BinaryField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("epoch", "level", "index"), name="one_tile_per_place")],
            },
        ),
    ]
