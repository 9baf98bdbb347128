"""The app of notebooks."""

from django.apps import AppConfig


class NotebookConfig(AppConfig):
    """Notebooks."""

    name = "tests.crypto.notebook"
    label = "notebook"
