"""The app that brings messages to linked systems and people."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Linked systems, the durable outbox, signed webhooks, e-mail, attempts and dead letters."""

    name = "identity_privacy.delivery"
    label = "delivery"
