"""What access does: controllers and their staff, and the sign-in of people."""

from identity_privacy.access.services.codes import forget_sign_ins, request_sign_in_code, sign_in_with_code
from identity_privacy.access.services.controllers import open_controller
from identity_privacy.access.services.staff import add_staff, give_role, take_role

__all__ = [
    "add_staff",
    "forget_sign_ins",
    "give_role",
    "open_controller",
    "request_sign_in_code",
    "sign_in_with_code",
    "take_role",
]
