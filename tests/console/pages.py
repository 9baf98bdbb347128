"""Every address of the console, with an object of Lindwerk's behind each."""

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse

from identity_privacy.console import ConsoleAdmin


def console_admins() -> Iterator[ConsoleAdmin[Model]]:
    """Every kind of thing that the console shows."""
    for page in admin.site._registry.values():
        assert isinstance(page, ConsoleAdmin)
        yield page


def lists() -> list[str]:
    """The addresses of all lists."""
    return [reverse(f"admin:{_name(page)}_changelist") for page in console_admins()]


def page_of(row: Model) -> str:
    """The address of one object's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _name(page: ConsoleAdmin[Model]) -> str:
    return f"{page.opts.app_label}_{page.opts.model_name}"
