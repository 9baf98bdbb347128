from django.db import migrations

from identity_privacy.audit.append_only import append_only


class Migration(migrations.Migration):
    """The database itself refuses to change entries, their order and checkpoints."""

    dependencies = [("audit", "0001_tables")]
    operations = [
        append_only("audit_entry"),
        append_only("audit_sequenced"),
        append_only("audit_checkpoint"),
        append_only("audit_cosignature"),
    ]
