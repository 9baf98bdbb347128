"""The log's verbs: enter what was done, give entries their place, check the log, export it, hand it over."""

from identity_privacy.audit.services.checking import check_log
from identity_privacy.audit.services.entering import record, record_key_event, record_reading, take_over_incidents
from identity_privacy.audit.services.exporting import export_log
from identity_privacy.audit.services.growing import hand_over, sequence

__all__ = [
    "check_log",
    "export_log",
    "hand_over",
    "record",
    "record_key_event",
    "record_reading",
    "sequence",
    "take_over_incidents",
]
