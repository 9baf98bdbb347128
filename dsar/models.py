"""Requests of people, and what each system that may hold their data did about it."""

from django.db import models

from dsar.querysets import SubjectRequestQuerySet, TaskQuerySet
from dsar.terms import Channel, Check, EvidenceKind, Outcome, RequestKind, RequestState, TaskState
from identity_privacy.access.models import Controller
from identity_privacy.crypto.fields import EncryptedJSONField, EncryptedTextField
from identity_privacy.crypto.rows import SealedModel


class SubjectRequest(SealedModel):
    """One request of one person; it has a data key of its own, which outlives the profile's."""

    reference = models.CharField(max_length=16, unique=True)
    controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
    subject_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=16, choices=RequestKind)
    state = models.CharField(max_length=16, choices=RequestState, default=RequestState.RECEIVED)
    channel = models.CharField(max_length=16, choices=Channel)
    law = models.CharField(max_length=32, default="gdpr")
    contact = EncryptedTextField(place="dsar.request.contact", null=True)
    received_at = models.DateTimeField()
    due_on = models.DateField()
    due_reason = models.JSONField(help_text="Why it is due then: rule, article and inputs")
    accepted_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    recheck_on = models.DateField(null=True)
    closed_at = models.DateTimeField(null=True)
    keys_backup_ends_on = models.DateField(null=True, help_text="Erasure: when the last backup of the key ends")
    package_name = models.CharField(max_length=100, blank=True, help_text="Access: the sealed package's file")
    forgotten_at = models.DateTimeField(null=True, help_text="When its key was destroyed, and all that was under it")
    certificate = EncryptedJSONField(place="dsar.request.certificate", null=True)
    supplement = EncryptedJSONField(place="dsar.request.supplement", null=True)

    objects = SubjectRequestQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["subject_id", "kind"],
                condition=models.Q(state__in=["received", "fulfilling"]),
                name="one_open_request_of_a_kind",
            ),
        )
        indexes = (models.Index(fields=["controller", "state", "due_on"], name="request_queue"),)

    def __str__(self) -> str:
        return self.reference

    def is_open(self) -> bool:
        """Whether the person still waits for the answer."""
        return self.state in {RequestState.RECEIVED, RequestState.FULFILLING}


class Task(SealedModel):
    """One system's part in a request; the built-in system "this service" has one too (`system_id` null)."""

    request = models.ForeignKey(SubjectRequest, on_delete=models.CASCADE, related_name="tasks")
    system_id = models.UUIDField(null=True)
    system_code = models.CharField(max_length=50)
    system_name = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=TaskState, default=TaskState.PLANNED)
    outcome = models.CharField(max_length=16, choices=Outcome, blank=True)
    reason = EncryptedTextField(
        place="dsar.task.reason", null=True, help_text="Why it was kept or failed, in the system's own words"
    )
    check_result = models.CharField(max_length=16, choices=Check, blank=True)
    after = models.JSONField(default=list, help_text="Codes of the systems that must have answered before it is asked")
    locator = EncryptedJSONField(
        place="dsar.task.locator", null=True, help_text="How the system finds the person, beyond our own erasure"
    )
    evidence_kind = models.CharField(max_length=24, choices=EvidenceKind, blank=True)
    evidence = EncryptedJSONField(place="dsar.task.evidence", null=True)
    answer = EncryptedJSONField(place="dsar.task.answer", null=True)
    recheck_evidence = EncryptedJSONField(place="dsar.task.recheck_evidence", null=True)
    recheck_evidence_kind = models.CharField(max_length=24, choices=EvidenceKind, blank=True)
    counts = models.JSONField(default=dict, help_text="How many records of each kind the system speaks of")
    asked_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["request", "system_code"], name="one_task_per_system"),
            models.CheckConstraint(
                condition=~models.Q(state="reported") | ~models.Q(outcome=""), name="a_report_has_an_outcome"
            ),
            models.CheckConstraint(
                condition=~models.Q(check_result="checked") | models.Q(recheck_evidence_kind="own_read"),
                name="only_our_own_read_makes_a_task_checked",
            ),
        )

    def is_own(self) -> bool:
        """Whether this is our own copy."""
        return self.system_id is None
