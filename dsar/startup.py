"""What this floor registers: its data about people, its sealed files, and that it hears what linked systems answer."""

from dsar.packages import PLACE, sealed_packages
from dsar.services import TaskMessages
from dsar.stores import RequestStore
from identity_privacy.crypto.files import register_files
from identity_privacy.delivery import results
from identity_privacy.subject_data import register

register(RequestStore())
results.register(TaskMessages())
register_files(PLACE, sealed_packages)
