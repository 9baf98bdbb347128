"""The app of dsar: subject requests, the legal clock and the proof."""

from django.apps import AppConfig


class DsarConfig(AppConfig):
    """Subject requests, the legal clock and the proof."""

    name = "dsar"
