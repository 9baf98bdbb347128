"""The app of the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The tamper-evident log."""

    name = "identity_privacy.audit"
    label = "audit"
