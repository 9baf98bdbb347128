"""What the log registers: it witnesses readings of personal data and changes of keys, and looks for its triggers."""

from django.apps import apps
from django.core.checks import Tags, register
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.signals import post_migrate

from identity_privacy.audit.append_only import check_append_only, check_role, expect_append_only
from identity_privacy.audit.checkpoints import check_log_name
from identity_privacy.audit.continuity import CONTINUITY, check_continuity
from identity_privacy.audit.models import Checkpoint, Cosignature, Entry, Sequenced
from identity_privacy.audit.partitions import check_partitions, make_partitions
from identity_privacy.audit.services import record_key_event, record_reading
from identity_privacy.audit.witnesses import check_witnesses
from identity_privacy.crypto.events import key_events_go_to
from identity_privacy.crypto.reading import witnessed_by

witnessed_by(record_reading)
key_events_go_to(record_key_event)
register(check_append_only, Tags.database)
register(check_role, Tags.database)
register(check_partitions, Tags.database)
register(check_continuity, CONTINUITY, Tags.database)
register(check_log_name)
register(check_witnesses)
for model in (Entry, Sequenced, Checkpoint, Cosignature):
    expect_append_only(model._meta.db_table)


def make_those_ahead(*, using: str, **_: object) -> None:
    """Make the partitions ahead after every `migrate`."""
    table = Entry._meta.db_table
    if using == DEFAULT_DB_ALIAS and table in connections[using].introspection.table_names():  # not migrated back
        make_partitions(table, connections[using])


post_migrate.connect(make_those_ahead, sender=apps.get_app_config("audit"))
