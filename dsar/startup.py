"""What this floor registers: its data about people, and that it hears what linked systems answer."""

from dsar.services import TaskMessages
from dsar.stores import RequestStore
from identity_privacy.delivery import results
from identity_privacy.subject_data import register

register(RequestStore())
results.register(TaskMessages())
