"""What access does: controllers, their staff and programs, and the sign-in of people."""

from identity_privacy.access.services.codes import forget_sign_ins, request_sign_in_code, sign_in_with_code
from identity_privacy.access.services.controllers import open_controller
from identity_privacy.access.services.programs import (
    create_api_client,
    enter_token,
    revoke_api_client,
    rotate_api_client,
)
from identity_privacy.access.services.staff import add_staff, give_role, take_role

__all__ = [
    "add_staff",
    "create_api_client",
    "enter_token",
    "forget_sign_ins",
    "give_role",
    "open_controller",
    "request_sign_in_code",
    "revoke_api_client",
    "rotate_api_client",
    "sign_in_with_code",
    "take_role",
]
