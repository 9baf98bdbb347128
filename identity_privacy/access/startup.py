"""What this floor registers: its data about people, who may see which entries, and how a controller is found."""

from uuid import UUID

from identity_privacy.access.entries import entries_of_own_controllers
from identity_privacy.access.models import Controller
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
