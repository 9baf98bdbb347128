"""What this floor registers: its data about people."""

from identity_privacy.access.stores import SignInStore
from identity_privacy.subject_data import register

register(SignInStore())
