"""The verbs of delivery, by subject: systems, links, the outbox, and sending."""

from identity_privacy.delivery.services.claiming import claim_due
from identity_privacy.delivery.services.draining import deliver_due, stop_claiming
from identity_privacy.delivery.services.links import NewLink, link_subject, link_subjects
from identity_privacy.delivery.services.outbox import enqueue, replay_message, reseal_pending
from identity_privacy.delivery.services.systems import register_system, switch_off_system, switch_on_system
from identity_privacy.waking import wake

__all__ = [
    "NewLink",
    "claim_due",
    "deliver_due",
    "enqueue",
    "link_subject",
    "link_subjects",
    "register_system",
    "replay_message",
    "reseal_pending",
    "stop_claiming",
    "switch_off_system",
    "switch_on_system",
    "wake",
]
