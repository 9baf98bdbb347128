"""What this floor registers: its data about people, and whom an address names."""

from identity_privacy.access import directory
from identity_privacy.subject_data import register
from profiles.stores import ProfileDirectory, ProfileStore

register(ProfileStore())
directory.register(ProfileDirectory())
