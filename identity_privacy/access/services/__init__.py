"""What access does: controllers, their staff and programs, and the sign-in of people."""

from identity_privacy.access.services.breaking_glass import break_glass, mend_glass, mend_old_glass
from identity_privacy.access.services.codes import accept_code, forget_codes, request_sign_in_code
from identity_privacy.access.services.controllers import open_controller
from identity_privacy.access.services.programs import (
    create_api_client,
    enter_token,
    revoke_api_client,
    rotate_api_client,
)
from identity_privacy.access.services.sign_ins import (
    end_other_sessions,
    end_session,
    end_sessions_of_account,
    enter_authenticators,
    enter_confirmation,
    enter_refusal,
    enter_sign_in,
    forget_sign_ins,
    link_account,
    unbar_account,
    unlink_account,
)
from identity_privacy.access.services.staff import (
    add_staff,
    admit_staff,
    cut_off_staff,
    enter_second_factor,
    enter_staff_refusal,
    enter_staff_sign_in,
    give_role,
    reset_second_factor,
    take_role,
)

__all__ = [
    "accept_code",
    "add_staff",
    "admit_staff",
    "break_glass",
    "create_api_client",
    "cut_off_staff",
    "end_other_sessions",
    "end_session",
    "end_sessions_of_account",
    "enter_authenticators",
    "enter_confirmation",
    "enter_refusal",
    "enter_second_factor",
    "enter_sign_in",
    "enter_staff_refusal",
    "enter_staff_sign_in",
    "enter_token",
    "forget_codes",
    "forget_sign_ins",
    "give_role",
    "link_account",
    "mend_glass",
    "mend_old_glass",
    "open_controller",
    "request_sign_in_code",
    "reset_second_factor",
    "revoke_api_client",
    "rotate_api_client",
    "take_role",
    "unbar_account",
    "unlink_account",
]
