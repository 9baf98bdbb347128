"""The Celery app: it only wakes workers; what is to be done stands in the database."""

import os

from celery import Celery

from identity_privacy import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "identity_privacy.settings")

__all__ = ["app", "broker"]

app = Celery("identity_privacy")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
