"""The project's own place among Django's apps."""

from django.contrib.admin.apps import AdminConfig
from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules

from identity_privacy.checks import check_databases, check_root_key, check_settings


class ConsoleConfig(AdminConfig):
    """Django's admin, served by our own site; and the start-up of all floors."""

    default_site = "identity_privacy.console.ConsoleSite"

    def ready(self) -> None:
        """Let each app register with the floors below what it offers (its module `startup`), once models are loaded."""
        super().ready()
        register(check_settings)
        register(check_databases, Tags.database)
        register(check_root_key, deploy=True)
        autodiscover_modules("startup")
