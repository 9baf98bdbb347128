"""What the log registers: it witnesses readings of personal data and changes of keys, and looks for its triggers."""

from django.core.checks import Tags, register

from identity_privacy.audit.append_only import check_append_only, expect_append_only
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.services import record_key_event, record_reading
from identity_privacy.crypto.events import key_events_go_to
from identity_privacy.crypto.reading import witnessed_by

witnessed_by(record_reading)
key_events_go_to(record_key_event)
register(check_append_only, Tags.database)
for model in (Entry, Sequenced, Checkpoint):
    expect_append_only(model._meta.db_table)
