"""Linked systems, links of people to them, and the durable outbox."""

from django.db import models
from uuid_utils.compat import uuid7

from identity_privacy.access.models import Controller
from identity_privacy.crypto.fields import EncryptedJSONField, EncryptedTextField
from identity_privacy.crypto.rows import SealedModel
from identity_privacy.delivery.querysets import LinkQuerySet, MessageQuerySet, SystemQuerySet
from identity_privacy.delivery.terms import AttemptOutcome, Channel, MessageState, Priority, SystemKind


class System(SealedModel):
    """A linked system: somewhere else where a controller keeps data about its customers."""

    controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
    code = models.SlugField(help_text="Its name in settings, imports and the API; never changed")
    name = models.CharField(max_length=120, help_text="As customers read it")
    what_it_does = models.CharField(max_length=200, blank=True, help_text="In plain words, for customers")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166 code of where it keeps the data")
    kind = models.CharField(max_length=16, choices=SystemKind)
    endpoint = models.URLField(max_length=500, blank=True)
    outbound_secret = EncryptedTextField(place="delivery.system.outbound_secret", null=True)
    inbound_secret = EncryptedTextField(place="delivery.system.inbound_secret", null=True)
    public_key = models.CharField(max_length=64, blank=True, help_text="Its Ed25519 key, whpk_…, if it signs with one")
    categories = models.JSONField(default=list, help_text="Codes of the data categories that it may hold")
    after = models.JSONField(default=list, help_text="Codes of the systems that must have answered before it is asked")
    recheck_after_days = models.PositiveSmallIntegerField(default=30)
    owner_contact = models.CharField(max_length=200, blank=True, help_text="The team that answers for it")
    is_active = models.BooleanField(default=True)

    objects = SystemQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["controller", "code"], name="one_system_per_code"),
            models.CheckConstraint(
                condition=~models.Q(kind=SystemKind.WEBHOOK)
                | (
                    ~models.Q(endpoint="")
                    & models.Q(outbound_secret__isnull=False)
                    & models.Q(inbound_secret__isnull=False)
                ),
                name="a_webhook_system_can_be_called_and_verified",
            ),
        )

    def __str__(self) -> str:
        return self.name


class Link(SealedModel):
    """That a system knows a person, and by what: our pairwise pseudonym for them, and its own account id."""

    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="links")
    subject_id = models.UUIDField(db_index=True)
    pairwise_id = models.UUIDField(unique=True, help_text="The person's pseudonym towards this system alone")
    account_id = EncryptedTextField(place="delivery.link.account_id")

    objects = LinkQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["system", "subject_id"], name="one_link_per_person_and_system"),)


class Message(SealedModel):
    """One row of the outbox, written in the transaction of the change that caused it; kept after it was delivered."""

    controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
    system = models.ForeignKey(System, on_delete=models.PROTECT, null=True, related_name="messages")
    channel = models.CharField(max_length=16, choices=Channel)
    topic = models.CharField(max_length=64)
    about_id = models.UUIDField(null=True, db_index=True, help_text="The row of an upper floor that it is about")
    subject_id = models.UUIDField(null=True, db_index=True)
    body = EncryptedJSONField(place="delivery.message.body")
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.NORMAL)
    state = models.CharField(max_length=16, choices=MessageState, default=MessageState.PENDING)
    due_at = models.DateTimeField()
    lease_id = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True, help_text="By the machine's own clock")
    attempt_count = models.PositiveIntegerField(default=0)
    failure_count = models.PositiveIntegerField(default=0, help_text="In a row, since it was written or replayed")
    trying_since = models.DateTimeField(help_text="When it was written or last replayed")
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    dead_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state=MessageState.DELIVERED, delivered_at__isnull=False)
                | (~models.Q(state=MessageState.DELIVERED) & models.Q(delivered_at=None)),
                name="delivered_messages_say_when",
            ),
            models.CheckConstraint(
                condition=models.Q(state=MessageState.DEAD, dead_at__isnull=False)
                | (~models.Q(state=MessageState.DEAD) & models.Q(dead_at=None)),
                name="dead_messages_say_when",
            ),
            models.CheckConstraint(
                condition=models.Q(state=MessageState.PENDING) | models.Q(lease_id=None, lease_until=None),
                name="only_pending_messages_are_leased",
            ),
            models.CheckConstraint(
                condition=models.Q(channel=Channel.WEBHOOK, system__isnull=False)
                | models.Q(channel=Channel.MAIL, system=None),
                name="webhooks_go_to_a_system_and_mail_does_not",
            ),
        )
        indexes = (
            models.Index(
                fields=["priority", "due_at"], condition=models.Q(state=MessageState.PENDING), name="message_due"
            ),
            models.Index(fields=["controller", "-id"], name="message_by_controller"),
        )

    @property
    def webhook_id(self) -> str:
        """The same on every try, so that a receiver can tell a repetition."""
        return f"msg_{self.id.hex}"


class Attempt(models.Model):
    """One try to deliver a message, and what came of it; holds nothing of the message's body."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(max_length=24, choices=AttemptOutcome)
    error = models.CharField(max_length=200, blank=True)
    response_excerpt = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["message", "number"], name="attempts_are_numbered_once"),)
