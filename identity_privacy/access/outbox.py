"""How this floor has mail sent; the floor above, which delivers, registers itself at start-up."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from identity_privacy.errors import ServiceError


class OutboxMissing(ServiceError):
    """No floor above has offered to deliver mail."""

    code = "outbox-missing"
    title = "Mail cannot be sent at the moment"


class Outbox(Protocol):
    """Takes a message in the caller's transaction and sees to it that it arrives."""

    def mail(
        self,
        *,
        controller_id: UUID,
        data_key_id: UUID,
        subject_id: UUID | None,
        to: str,
        topic: str,
        context: Mapping[str, str],
        is_decoy: bool = False,
    ) -> None:
        """Send the mail `topic` to `to`, sealed under `data_key_id` until it is delivered.

        A decoy costs the same and is dropped when it would be sent; it needs no address.
        """


_outboxes: list[Outbox] = []


def register(outbox: Outbox) -> None:
    """Deliver through `outbox` from now on; called once at start-up."""
    _outboxes[:] = [outbox]


def outbox() -> Outbox:
    """The registered outbox.

    Raises: OutboxMissing.
    """
    if not _outboxes:
        raise OutboxMissing
    return _outboxes[0]
