"""What this floor registers: its data about people."""

from identity_privacy.access.store import SignInStore
from identity_privacy.subject_data import register

register(SignInStore())
