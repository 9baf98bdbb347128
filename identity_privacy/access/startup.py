"""What this floor registers: its data about people, who may see which entries, how a controller is found.

And it sees to it that the roles do what this release says, as soon as the database is migrated to it.
"""

from uuid import UUID

from django.apps import apps
from django.contrib.auth.signals import user_logged_in
from django.core.checks import Tags
from django.core.checks import register as check
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.signals import post_migrate

from identity_privacy.access.checks import (
    check_provider_controllers,
    check_providers,
    check_second_factor,
    check_superusers,
)
from identity_privacy.access.entries import entries_of_own_controllers
from identity_privacy.access.middleware import remember_controller
from identity_privacy.access.models import Controller
from identity_privacy.access.roles import renew_roles
from identity_privacy.access.stores import SignInStore
from identity_privacy.audit import entry_access
from identity_privacy.audit.naming import controllers_are_found_by
from identity_privacy.subject_data import register


def controller_with(code: str) -> UUID | None:
    """The id of the controller with this code."""
    return Controller.objects.filter(code=code).values_list("id", flat=True).first()


register(SignInStore())
entry_access.register(entries_of_own_controllers)
controllers_are_found_by(controller_with)
user_logged_in.connect(remember_controller)
check(check_providers)
check(check_second_factor)
check(check_superusers, Tags.database)
check(check_provider_controllers, Tags.database)


def renew_roles_after(*, using: str, **_: object) -> None:
    """What `post_migrate` sends, once for each database, also after a migration backwards; roles stand in one."""
    if using == DEFAULT_DB_ALIAS and Controller._meta.db_table in connections[using].introspection.table_names():
        renew_roles()


post_migrate.connect(renew_roles_after, sender=apps.get_app_config("access"))
