"""The app of controllers, people and roles."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Who may do what."""

    name = "identity_privacy.access"
    label = "access"
