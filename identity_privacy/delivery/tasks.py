"""What Celery calls: each only wakes a verb."""

from celery import shared_task
from celery.signals import worker_shutting_down

from identity_privacy.delivery import services


@shared_task(name="delivery.deliver")
def deliver() -> None:
    """Deliver all that is due."""
    services.deliver_due()


@shared_task(name="delivery.sweep")
def sweep() -> None:
    """Deliver what no wake-up reached, and what a lost worker held."""
    services.deliver_due()


@worker_shutting_down.connect
def finish(**_: object) -> None:
    """On TERM, finish what is under way and claim no more; it stays due."""
    services.stop_claiming()
