"""The app of profiles: one person as one controller knows them."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    """One person as one controller knows them."""

    name = "profiles"
