"""The app that brings messages to linked systems and people."""

from django.apps import AppConfig

from identity_privacy import subject_data
from identity_privacy.access import outbox


class DeliveryConfig(AppConfig):
    """Linked systems, the durable outbox, signed webhooks, e-mail, attempts and dead letters."""

    name = "identity_privacy.delivery"
    label = "delivery"

    def ready(self) -> None:
        """Make links part of every subject request, offer mail to the floor below, and check the settings."""
        from identity_privacy.delivery import checks  # noqa: F401  # registers by its import
        from identity_privacy.delivery.mail import MailOutbox
        from identity_privacy.delivery.store import LinkStore

        outbox.register(MailOutbox())
        subject_data.register(LinkStore())
