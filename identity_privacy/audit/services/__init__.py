"""The log's verbs: enter what was done, give entries their place, check the log, hand it over, prune it."""

from identity_privacy.audit.services.checking import check_log
from identity_privacy.audit.services.entering import record, record_key_event, record_reading, take_over_incidents
from identity_privacy.audit.services.growing import hand_over, sequence
from identity_privacy.audit.services.pruning import prune

__all__ = [
    "check_log",
    "hand_over",
    "prune",
    "record",
    "record_key_event",
    "record_reading",
    "sequence",
    "take_over_incidents",
]
