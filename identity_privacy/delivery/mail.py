"""Mail that the floors below want sent: rendered here, delivered by the outbox."""

from collections.abc import Mapping
from uuid import UUID

from django.template.loader import render_to_string

from identity_privacy.delivery.services import enqueue
from identity_privacy.delivery.terms import Priority


class MailOutbox:
    """The `Outbox` of access: `templates/email/<topic>_subject.txt` and `<topic>_message.txt`."""

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
        """Render in the caller's language and enqueue in the caller's transaction."""
        enqueue(
            controller_id=controller_id,
            topic=topic,
            body={
                "to": to,
                "subject": " ".join(render_to_string(f"email/{topic}_subject.txt", dict(context)).split()),
                "text": render_to_string(f"email/{topic}_message.txt", dict(context)),
                "decoy": is_decoy,
            },
            data_key_id=data_key_id,
            subject_id=subject_id,
            priority=Priority.PERSON_WAITS,
        )
