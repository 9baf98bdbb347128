"""How a linked system reports, with the official Standard Webhooks package."""

import json
from collections.abc import Mapping
from uuid import UUID

from django.test import Client
from standardwebhooks.webhooks import Webhook

from identity_privacy.actors import Actor
from identity_privacy.clock import machine_now
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery.models import System


def inbound_secret(system: System) -> str:
    """The secret that was handed to the system for what it reports."""
    stored = System.objects.get(pk=system.pk)
    with Reading(actor=Actor.service("test"), purpose="hand over", subject_id=None, reason="test"):
        return str(stored.inbound_secret)


def result(task_id: UUID, **more: object) -> dict[str, object]:
    """What a system says that has erased everything."""
    return {"type": "task.erase", "task": str(task_id), "outcome": "done", "counts": {"orders": 3}, **more}


def signed(secret: str, body: bytes) -> dict[str, str]:
    """The three headers."""
    at = machine_now()
    return {
        "webhook-id": "msg_report_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_report_1", at, body.decode()),
    }


def report(
    client: Client, task_id: UUID, secret: str, content: Mapping[str, object] | bytes
) -> tuple[int, dict[str, object]]:
    """Post a signed result; the status and what came back."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = client.post(
        f"/api/v1/tasks/{task_id}/result/", body, content_type="application/json", headers=signed(secret, body)
    )
    return answer.status_code, answer.json()
