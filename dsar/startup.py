"""What this floor registers: its store and sealed files, audit entries it needs, and who hears what systems answer."""

from dsar.certificates import targets_still_needed
from dsar.packages import PLACE, sealed_packages
from dsar.services import TaskMessages
from dsar.stores import RequestStore
from identity_privacy.audit.pruning import keep_entries_about
from identity_privacy.crypto.files import register_files
from identity_privacy.delivery import results
from identity_privacy.subject_data import register

register(RequestStore())
results.register(TaskMessages())
register_files(PLACE, sealed_packages)
keep_entries_about(targets_still_needed)
