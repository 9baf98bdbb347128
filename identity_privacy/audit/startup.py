"""What the log registers: it witnesses every reading of personal data, and looks for its triggers at start-up."""

from django.core.checks import Tags, register

from identity_privacy.audit.append_only import check_append_only, expect_append_only
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.services import record_reading
from identity_privacy.crypto.reading import witnessed_by

witnessed_by(record_reading)
register(check_append_only, Tags.database)
for model in (Entry, Sequenced, Checkpoint):
    expect_append_only(model._meta.db_table)
