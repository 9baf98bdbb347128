import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import identity_privacy.crypto.fields.indexes
import identity_privacy.crypto.fields.values


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0005_sessions"),
    ]

    operations = [
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("cache_key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.AddField(
            model_name="user",
            name="signed_out_at",
            field=models.DateTimeField(help_text="Sign-ins that were begun before it end nowhere", null=True),
        ),
        migrations.CreateModel(
            name="AuthenticatorSecret",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("data_key_id", identity_privacy.crypto.fields.indexes.DataKeyField()),
                (
                    "secret",
                    identity_privacy.crypto.fields.values.EncryptedTextField(
                        place="access.authenticator_secret.secret"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="authenticator_secrets",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="SignIn",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("code", "A code from an e-mail"),
                            ("passkey", "A passkey"),
                            ("account", "Another account"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "has_app_code",
                    models.BooleanField(default=False, help_text="With a code of their authenticator app besides"),
                ),
                (
                    "familiarity",
                    models.CharField(
                        choices=[
                            ("first", "The first time"),
                            ("known", "As before"),
                            ("new_place", "From a network not used before"),
                            ("new_device", "With a browser not used before"),
                        ],
                        max_length=16,
                    ),
                ),
                ("browser", models.CharField(blank=True, help_text="Of a short list, such as Firefox", max_length=32)),
                ("platform", models.CharField(blank=True, help_text="Of a short list, such as Windows", max_length=32)),
                ("device", models.CharField(max_length=64)),
                ("network", models.CharField(max_length=64)),
                (
                    "session",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="sign_in",
                        to="access.session",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_ins",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BarredAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=200)),
                ("uid", models.CharField(max_length=191)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="barred_accounts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "provider", "uid"), name="barred_once")],
            },
        ),
    ]
