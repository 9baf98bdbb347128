import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models

import identity_privacy.crypto.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("access", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="System",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("code", models.SlugField(help_text="Its name in settings, imports and the API; never changed")),
                ("name", models.CharField(help_text="As customers read it", max_length=120)),
                (
                    "what_it_does",
                    models.CharField(blank=True, help_text="In plain words, for customers", max_length=200),
                ),
                (
                    "country",
                    models.CharField(blank=True, help_text="ISO 3166 code of where it keeps the data", max_length=2),
                ),
                (
                    "kind",
                    models.CharField(choices=[("webhook", "Webhook")], max_length=16),
                ),
                ("endpoint", models.URLField(blank=True, max_length=500)),
                (
                    "outbound_secret",
                    identity_privacy.crypto.fields.EncryptedTextField(
                        editable=False, null=True, place="delivery.system.outbound_secret"
                    ),
                ),
                (
                    "inbound_secret",
                    identity_privacy.crypto.fields.EncryptedTextField(
                        editable=False, null=True, place="delivery.system.inbound_secret"
                    ),
                ),
                (
                    "public_key",
                    models.CharField(
                        blank=True, help_text="Its Ed25519 key, whpk_…, if it signs with one", max_length=64
                    ),
                ),
                ("data_key_id", models.UUIDField(help_text="The key of the controller's secrets")),
                (
                    "categories",
                    models.JSONField(default=list, help_text="Codes of the data categories that it may hold"),
                ),
                (
                    "after",
                    models.JSONField(
                        default=list, help_text="Codes of the systems that must have answered before it is asked"
                    ),
                ),
                ("recheck_after_days", models.PositiveSmallIntegerField(default=30)),
                (
                    "owner_contact",
                    models.CharField(blank=True, help_text="The team that answers for it", max_length=200),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("controller", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="access.controller")),
            ],
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("channel", models.CharField(choices=[("webhook", "Webhook"), ("mail", "Mail")], max_length=16)),
                ("topic", models.CharField(max_length=64)),
                (
                    "about_id",
                    models.UUIDField(db_index=True, help_text="The row of an upper floor that it is about", null=True),
                ),
                ("subject_id", models.UUIDField(db_index=True, null=True)),
                ("data_key_id", models.UUIDField()),
                (
                    "body",
                    identity_privacy.crypto.fields.EncryptedJSONField(editable=False, place="delivery.message.body"),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "Person Waits"), (10, "Legal"), (20, "Normal"), (30, "Bulk")], default=20
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Pending"), ("delivered", "Delivered"), ("dead", "Dead")],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("lease_id", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(help_text="By the machine's own clock", null=True)),
                ("attempt_count", models.PositiveIntegerField(default=0)),
                (
                    "failure_count",
                    models.PositiveIntegerField(default=0, help_text="In a row, since it was written or replayed"),
                ),
                ("trying_since", models.DateTimeField(help_text="When it was written or last replayed")),
                ("created_at", models.DateTimeField()),
                ("delivered_at", models.DateTimeField(null=True)),
                ("dead_at", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=200)),
                ("controller", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="access.controller")),
                (
                    "system",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="delivery.system",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(db_index=True)),
                (
                    "pairwise_id",
                    models.UUIDField(help_text="The person's pseudonym towards this system alone", unique=True),
                ),
                (
                    "account_id",
                    identity_privacy.crypto.fields.EncryptedTextField(editable=False, place="delivery.link.account_id"),
                ),
                ("data_key_id", models.UUIDField()),
                (
                    "system",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="links", to="delivery.system"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("duration_ms", models.PositiveIntegerField(default=0)),
                ("status", models.PositiveSmallIntegerField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("delivered", "Delivered"),
                            ("rejected", "Rejected"),
                            ("gone", "Gone"),
                            ("no_answer", "No Answer"),
                            ("address_refused", "Address Refused"),
                            ("not_understood", "Not Understood"),
                            ("not_recorded", "Not Recorded"),
                            ("worker_lost", "Worker Lost"),
                            ("not_sent", "Not Sent"),
                            ("dropped", "Dropped"),
                        ],
                        max_length=24,
                    ),
                ),
                ("error", models.CharField(blank=True, max_length=200)),
                ("response_excerpt", models.CharField(blank=True, max_length=500)),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="delivery.message"
                    ),
                ),
            ],
            options={
                "ordering": ("number",),
                "constraints": [
                    models.UniqueConstraint(fields=("message", "number"), name="attempts_are_numbered_once")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="system",
            constraint=models.UniqueConstraint(fields=("controller", "code"), name="one_system_per_code"),
        ),
        migrations.AddConstraint(
            model_name="system",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "webhook"), _negated=True),
                    models.Q(
                        models.Q(("endpoint", ""), _negated=True),
                        ("outbound_secret__isnull", False),
                        ("inbound_secret__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="a_webhook_system_can_be_called_and_verified",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state", "pending")), fields=["priority", "due_at"], name="message_due"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["controller", "-id"], name="message_by_controller"),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("delivered_at__isnull", False), ("state", "delivered")),
                    models.Q(models.Q(("state", "delivered"), _negated=True), ("delivered_at", None)),
                    _connector="OR",
                ),
                name="delivered_messages_say_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("dead_at__isnull", False), ("state", "dead")),
                    models.Q(models.Q(("state", "dead"), _negated=True), ("dead_at", None)),
                    _connector="OR",
                ),
                name="dead_messages_say_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "pending"), models.Q(("lease_id", None), ("lease_until", None)), _connector="OR"
                ),
                name="only_pending_messages_are_leased",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("channel", "webhook"), ("system__isnull", False)),
                    models.Q(("channel", "mail"), ("system", None)),
                    _connector="OR",
                ),
                name="webhooks_go_to_a_system_and_mail_does_not",
            ),
        ),
        migrations.AddConstraint(
            model_name="link",
            constraint=models.UniqueConstraint(fields=("system", "subject_id"), name="one_link_per_person_and_system"),
        ),
    ]
