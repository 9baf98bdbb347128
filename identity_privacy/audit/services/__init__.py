"""The log's verbs: enter what was done, give entries their place, check the log, give it out, have it witnessed."""

from identity_privacy.audit.services.checking import ask_for_check, check_commitment, check_if_asked, check_log
from identity_privacy.audit.services.entering import (
    record,
    record_key_event,
    record_reading,
    take_over_incidents,
    take_over_readings,
)
from identity_privacy.audit.services.exporting import export_log
from identity_privacy.audit.services.growing import hand_over, sequence
from identity_privacy.audit.services.pruning import prune
from identity_privacy.audit.services.releasing import export_entries
from identity_privacy.audit.services.rotating import rotate_checkpoint_key
from identity_privacy.audit.services.witnessing import accept_cosignature

__all__ = [
    "accept_cosignature",
    "ask_for_check",
    "check_commitment",
    "check_if_asked",
    "check_log",
    "export_entries",
    "export_log",
    "hand_over",
    "prune",
    "record",
    "record_key_event",
    "record_reading",
    "rotate_checkpoint_key",
    "sequence",
    "take_over_incidents",
    "take_over_readings",
]
