"""What this floor registers: its data about people, and who may see which audit entries."""

from identity_privacy.access.entries import entries_of_own_controllers
from identity_privacy.access.stores import SignInStore
from identity_privacy.audit import entry_access
from identity_privacy.subject_data import register

register(SignInStore())
entry_access.register(entries_of_own_controllers)
