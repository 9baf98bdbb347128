import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    """Codes live ten minutes, so their table is made anew: who waits for one at this moment asks again."""

    dependencies = [("access", "0001_tables")]

    operations = [
        migrations.DeleteModel("SignInCode"),
        migrations.CreateModel(
            name="SignInTally",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("who", models.UUIDField()),
                ("asked_at", models.DateTimeField(db_index=True, help_text="When a code was last asked for")),
                (
                    "failures",
                    models.PositiveSmallIntegerField(default=0, help_text="Wrong tries since the time below"),
                ),
                ("failing_since", models.DateTimeField(null=True)),
                ("controller", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="access.controller")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("controller", "who"), name="one_tally_a_person"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SignInCode",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(null=True)),
                ("code_hash", models.CharField(max_length=128)),
                ("expires_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("used_at", models.DateTimeField(null=True)),
                ("controller", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="access.controller")),
                (
                    "tally",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="access.signintally",
                    ),
                ),
            ],
        ),
    ]
