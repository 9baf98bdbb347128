"""What this floor registers: its data about people, mail for the floor below, and the check of its settings."""

from django.core.checks import register

from identity_privacy import subject_data
from identity_privacy.access import outbox
from identity_privacy.delivery.checks import check_settings
from identity_privacy.delivery.mail import MailOutbox
from identity_privacy.delivery.stores import LinkStore

outbox.register(MailOutbox())
subject_data.register(LinkStore())
register(check_settings)
