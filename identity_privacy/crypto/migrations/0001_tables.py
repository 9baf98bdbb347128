import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Incident",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("code", models.CharField(help_text="The error's code", max_length=32)),
                ("place", models.CharField(max_length=100)),
                ("row_id", models.UUIDField()),
                ("key_id", models.UUIDField()),
                ("actor_kind", models.CharField(max_length=16)),
                ("actor_id", models.CharField(max_length=64)),
                ("purpose", models.CharField(max_length=100)),
                ("controller_id", models.UUIDField(null=True)),
                ("subject_id", models.UUIDField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="PendingEntry",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                (
                    "fields",
                    models.JSONField(help_text="The entry's columns; like every entry without a personal value"),
                ),
                (
                    "written_in",
                    models.BigIntegerField(help_text="The data's transaction, as PostgreSQL numbers them", null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Remains",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("table", models.CharField(max_length=64, unique=True)),
                ("changes", models.PositiveBigIntegerField(default=0)),
                ("forgotten", models.PositiveBigIntegerField(default=0)),
                ("rewritten_at", models.DateTimeField(null=True)),
                ("rewrite_seconds", models.FloatField(default=0.0)),
                (
                    "backups_end_on",
                    models.DateField(help_text="The last day of a backup with a key that was in this table", null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(unique=True)),
                ("destroyed_at", models.DateTimeField()),
                (
                    "keys",
                    models.PositiveIntegerField(
                        default=0, help_text="How many the last destruction destroyed, in all its tries"
                    ),
                ),
                (
                    "change",
                    models.PositiveBigIntegerField(
                        help_text="Which change of the table of data keys (`Remains`) it was"
                    ),
                ),
                (
                    "forgotten_at",
                    models.DateTimeField(help_text="Since when no file of the database holds their bytes", null=True),
                ),
                ("backups_end_on", models.DateField()),
            ],
        ),
        migrations.CreateModel(
            name="ControllerKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("controller_id", models.UUIDField()),
                ("wrapped", models.BinaryField()),
                ("created_at", models.DateTimeField()),
                ("retired_at", models.DateTimeField(help_text="Since when new keys hang on its successor", null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("retired_at", None)),
                        fields=("controller_id",),
                        name="one_current_key_per_controller",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="KnownCheckpoint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "holder",
                    models.CharField(help_text="A witness's name; nothing for the service itself", max_length=64),
                ),
                ("is_astray", models.BooleanField(default=False)),
                ("epoch", models.PositiveIntegerField()),
                ("size", models.BigIntegerField()),
                ("root", models.BinaryField(max_length=32)),
                ("note", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("holder", "is_astray"), name="one_known_checkpoint_each")
                ],
            },
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "use",
                    models.CharField(
                        choices=[("checkpoint", "Checkpoint"), ("certificate", "Certificate"), ("webhook", "Webhook")],
                        max_length=32,
                    ),
                ),
                ("public_key", models.BinaryField(max_length=32)),
                ("wrapped", models.BinaryField()),
                ("valid_from", models.DateTimeField()),
                ("valid_until", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("valid_until", None)),
                        fields=("use",),
                        name="one_current_signing_key_per_use",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DataKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("profile", "Profile"),
                            ("request", "Request"),
                            ("commitment", "Commitment"),
                            ("staff", "Staff"),
                            ("controller_secrets", "Controller Secrets"),
                        ],
                        max_length=32,
                    ),
                ),
                ("owner_id", models.UUIDField(help_text="What it is for: a profile, a request, a controller")),
                (
                    "subject_id",
                    models.UUIDField(db_index=True, help_text="The person whose values it seals, if one", null=True),
                ),
                ("wrapped", models.BinaryField()),
                (
                    "previous",
                    models.BinaryField(help_text="The material before a rotation that is not finished", null=True),
                ),
                ("retired_at", models.DateTimeField(help_text="Since when nothing new is sealed under it", null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "controller_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crypto.controllerkey",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("previous__isnull", False)), fields=["id"], name="data_keys_in_rotation"
                    ),
                    models.Index(
                        condition=models.Q(("kind", "profile"), _negated=True),
                        fields=["owner_id"],
                        name="data_keys_by_owner",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "commitment")),
                        fields=("owner_id",),
                        name="one_commitment_key_per_person",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IndexKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("controller_id", models.UUIDField()),
                ("field", models.CharField(max_length=64)),
                ("version", models.PositiveSmallIntegerField(default=1)),
                (
                    "state",
                    models.CharField(
                        choices=[("current", "Current"), ("filling", "Filling"), ("taking_over", "Taking Over")],
                        default="current",
                        max_length=16,
                    ),
                ),
                ("wrapped", models.BinaryField()),
                ("created_at", models.DateTimeField()),
                (
                    "controller_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crypto.controllerkey"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("controller_id", "field", "version"), name="one_index_key_per_version"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "current")),
                        fields=("controller_id", "field"),
                        name="one_current_index_key",
                    ),
                ],
            },
        ),
    ]
