"""Celery's way into subject requests; the services find in the database what is due."""

from celery import shared_task

from dsar import services


@shared_task(name="dsar.fulfil")
def fulfil() -> None:
    """Carry out accepted requests."""
    services.fulfil_due()


@shared_task(name="dsar.answer")
def answer() -> None:
    """Answer requests whose systems have all reported, and issue certificates."""
    services.answer_due()


@shared_task(name="dsar.recheck")
def recheck() -> None:
    """Begin re-checks whose day has come, and forget what was sealed for requests that ended a while ago."""
    services.recheck_due()
    services.forget_due()
