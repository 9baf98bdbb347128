"""Celery's way into the log."""

from celery import shared_task

from identity_privacy.audit import services


@shared_task(name="audit.sequence")
def sequence() -> None:
    """Give new entries their place in the log, those that a failure left in the keys database among them."""
    try:
        services.take_over_incidents()
        services.take_over_readings()
    finally:  # whatever is wrong with those, what stands in the log gets its place
        services.sequence()


@shared_task(name="audit.check")
def check() -> None:
    """Check the whole log, if somebody asked for it."""
    services.check_if_asked()
