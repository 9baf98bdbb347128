"""Celery's way to the keys."""

from celery import shared_task

from identity_privacy.crypto import sweeping


@shared_task(name="crypto.sweep")
def sweep() -> None:
    """Destroy data keys that nothing was ever sealed under, and finish every destruction that was held up."""
    sweeping.sweep_orphans(patience=60.0)
