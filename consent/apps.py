"""The app of consent: what each person agreed to, as evidence."""

from django.apps import AppConfig


class ConsentConfig(AppConfig):
    """What each person agreed to, as evidence."""

    name = "consent"
