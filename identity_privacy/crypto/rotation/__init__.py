"""Changing every key of the hierarchy while the service runs; each may be stopped at any moment and started again.

A rotation is: make the new key, wait until nobody can use the old one to write, carry over what is under the old one,
see that nothing is left, take the old one away, and overwrite its bytes.
"""

from identity_privacy.crypto.rotation.blind_indexes import plan_index, rotate_index
from identity_privacy.crypto.rotation.controllers import plan_kek, rotate_kek
from identity_privacy.crypto.rotation.data_keys import Whose, plan_dek, rotate_dek
from identity_privacy.crypto.rotation.outcome import Outcome, Plan, Progress, Unreadable
from identity_privacy.crypto.rotation.root import plan_root, rotate_root

__all__ = [
    "Outcome",
    "Plan",
    "Progress",
    "Unreadable",
    "Whose",
    "plan_dek",
    "plan_index",
    "plan_kek",
    "plan_root",
    "rotate_dek",
    "rotate_index",
    "rotate_kek",
    "rotate_root",
]
