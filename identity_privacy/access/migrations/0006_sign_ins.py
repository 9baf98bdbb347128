import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import identity_privacy.crypto.fields.indexes
import identity_privacy.crypto.fields.values


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0005_sessions"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
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
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="BarredAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=200)),
                ("uid", models.CharField(max_length=191)),
            ],
        ),
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("cache_key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires", models.DateTimeField(db_index=True)),
            ],
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
            ],
        ),
        migrations.AddField(
            model_name="user",
            name="broke_glass_at",
            field=models.ForeignKey(
                help_text="Where they act in an emergency",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="access.controller",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="broke_glass_until",
            field=models.DateTimeField(help_text="By the machine's own clock", null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="signed_out_at",
            field=models.DateTimeField(help_text="Sign-ins that were begun before it end nowhere", null=True),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("broke_glass_until", None),
                    models.Q(("broke_glass_at__isnull", False), ("is_staff", True)),
                    _connector="OR",
                ),
                name="only_staff_break_glass_and_somewhere",
            ),
        ),
        migrations.AddField(
            model_name="authenticatorsecret",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="authenticator_secrets",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="barredaccount",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="barred_accounts", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="signin",
            name="session",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="sign_in", to="access.session"
            ),
        ),
        migrations.AddField(
            model_name="signin",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="sign_ins", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="barredaccount",
            constraint=models.UniqueConstraint(fields=("user", "provider", "uid"), name="barred_once"),
        ),
    ]
