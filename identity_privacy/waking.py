"""Waking a worker by the name of a task: services of every floor do, and import no task."""

import logging
from functools import partial

from django.db import transaction
from kombu.exceptions import ChannelError, OperationalError

from identity_privacy.celery import app

logger = logging.getLogger(__name__)


def wake(task_name: str, countdown: float | None = None) -> None:
    """Have a worker look at the database once the current transaction has committed.

    Never fails the caller: where the broker cannot be reached the sweep finds what is due.
    """
    transaction.on_commit(partial(_send, task_name, countdown))


def _send(task_name: str, countdown: float | None) -> None:
    try:
        app.send_task(task_name, countdown=countdown)
    except (OperationalError, ChannelError, OSError) as error:
        logger.warning("no worker was woken for %s: %s; the sweep will find it", task_name, type(error).__name__)
