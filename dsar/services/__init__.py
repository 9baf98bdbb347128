"""The verbs of subject requests."""

from dsar.services.answering import answer_due, answer_request, issue_certificate
from dsar.services.forgetting import forget_due
from dsar.services.fulfilment import carry_out, fulfil_due
from dsar.services.intake import accept_request, submit_request, withdraw_request
from dsar.services.rechecking import recheck_due, start_recheck
from dsar.services.replaying import erase_again, replay_erasures
from dsar.services.reports import TaskMessages, ask_again, record_result

__all__ = [
    "TaskMessages",
    "accept_request",
    "answer_due",
    "answer_request",
    "ask_again",
    "carry_out",
    "erase_again",
    "forget_due",
    "fulfil_due",
    "issue_certificate",
    "recheck_due",
    "record_result",
    "replay_erasures",
    "start_recheck",
    "submit_request",
    "withdraw_request",
]
