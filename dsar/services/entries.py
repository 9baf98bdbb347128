"""The audit entry of a verb about a request, in one form."""

from collections.abc import Mapping

from dsar.models import SubjectRequest
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record


def enter_request(
    actor: Actor,
    action: str,
    request: SubjectRequest,
    *,
    commitments: Mapping[str, str] | None = None,
    **details: str | int | bool | list[str],
) -> None:
    """Enter what was done with a request, in the verb's own transaction; `details` hold no personal value."""
    record(
        actor=actor,
        action=action,
        target=("request", request.id),
        controller_id=request.controller_id,
        subject_id=request.subject_id,
        details=details,
        commitments=commitments,
    )
