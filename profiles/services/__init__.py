"""The verbs of profiles."""

from profiles.services.importing import ImportReport, define_attributes, import_profiles
from profiles.services.people import restrict_profile

__all__ = ["ImportReport", "define_attributes", "import_profiles", "restrict_profile"]
