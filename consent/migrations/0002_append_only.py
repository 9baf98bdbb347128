from django.db import migrations

from identity_privacy.audit.append_only import append_only


class Migration(migrations.Migration):
    """The database itself refuses to change the ledger and the texts that people agreed to."""

    dependencies = [("consent", "0001_tables")]
    operations = [append_only("consent_consentevent"), append_only("consent_notice")]
