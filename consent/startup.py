"""What this floor registers: its data about people, and the tables whose triggers are checked at start-up."""

from consent.models import ConsentEvent, Notice
from consent.reasons import PurposeReasons
from consent.stores import ConsentStore
from identity_privacy.audit.append_only import expect_append_only
from identity_privacy.subject_data import register
from profiles import reasons

register(ConsentStore())
reasons.register(PurposeReasons())
for model in (ConsentEvent, Notice):
    expect_append_only(model._meta.db_table)
