"""The Celery app: it only wakes workers; what is to be done stands in the database."""

import logging.config
import os

from celery import Celery, Task
from celery.signals import beat_init, setup_logging, worker_init
from django.conf import settings

from identity_privacy import broker
from identity_privacy.audit.origin import Origin, coming_from
from identity_privacy.checks import refuse_to_start, refuse_to_work
from identity_privacy.private_files import keep_files_private

keep_files_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "identity_privacy.settings")

__all__ = ["app", "broker"]


class NamedTask(Task[..., object]):
    """A task whose audit entries carry its id."""

    def __call__(self, *arguments: object, **named: object) -> object:
        """Do it."""
        with coming_from(Origin(request_id=self.request.id or "")):
            return super().__call__(*arguments, **named)


app = Celery("identity_privacy", task_cls=NamedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_the_web_process_does(**_: object) -> None:
    """Keep Celery from setting up logs of its own, which tell the text of every error."""
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
@beat_init.connect
def begin(**_: object) -> None:
    """A worker, or beat, begins: not under settings that a check refuses, nor where a restore has undone what was."""
    refuse_to_start()
    refuse_to_work()
