"""The completion certificate: one signed JSON file that anybody can verify offline with a pinned key.

    {"certificate": {…}, "signature": {"algorithm": "Ed25519", "key_id": …, "public_key": base64, "value": base64}}

The signature is over the canonical JSON (RFC 8785) of the member `certificate`. Inside, every audit entry about the
request stands with its inclusion proof under a signed checkpoint of the log (one for each epoch of the log that has
such entries), and every system's answer with the kind of its evidence; an answer that the system signed with its own
Ed25519 key is there whole, with that key.
"""

import base64
from collections.abc import Collection
from datetime import UTC, date, datetime
from uuid import UUID

from dsar.models import SubjectRequest, Task
from dsar.terms import EvidenceKind, RequestKind
from identity_privacy import clock
from identity_privacy.audit.canonical import canonical_json, stamp
from identity_privacy.audit.checkpoints import signed_by
from identity_privacy.audit.proofs import prove_each
from identity_privacy.crypto.signing import sign
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.delivery.models import System

FORMAT = "identity-privacy/certificate/1"
SUPPLEMENT = "identity-privacy/certificate-supplement/1"


def targets_still_needed(before: date) -> list[UUID]:
    """Requests from before a day whose certificate may yet be issued, and their tasks: their entries stand in it."""
    requests = SubjectRequest.objects.not_forgotten().filter(
        received_at__lt=datetime(before.year, before.month, before.day, tzinfo=UTC)
    )
    tasks = Task.objects.filter(request__in=requests.values("id"))
    return [*requests.values_list("id", flat=True), *tasks.values_list("id", flat=True)]


def signed_certificate(
    request: SubjectRequest, entry_ids: Collection[UUID], *, is_supplement: bool
) -> dict[str, object]:
    """The certificate of an answered request, or its supplement after the re-check; inside a Reading of the person.

    Raises: NotYetSequenced, while no checkpoint covers one of the entries.
    """
    tasks = list(Task.objects.filter(request=request).order_by("position"))
    systems = System.objects.filter(controller=request.controller)
    keys = {str(system.id): system.public_key for system in systems}
    content: dict[str, object] = {
        "format": SUPPLEMENT if is_supplement else FORMAT,
        "controller": {"id": str(request.controller_id), "name": request.controller.name},
        "request": {
            "id": str(request.id),
            "reference": request.reference,
            "kind": request.kind,
            "subject": str(request.subject_id),
            "law": request.law,
            "received_at": stamp(request.received_at),
            "due_on": request.due_on.isoformat(),
            "answered_at": stamp(request.answered_at) if request.answered_at else None,
            "closed_at": stamp(request.closed_at) if request.closed_at else None,
            "recheck_on": request.recheck_on.isoformat() if request.recheck_on else None,
            "keys_backup_ends_on": request.keys_backup_ends_on.isoformat() if request.keys_backup_ends_on else None,
        },
        "systems": [_system(request, task, keys.get(str(task.system_id), "")) for task in tasks],
        "logs": [
            {
                "checkpoint": checkpoint.note,
                "public_key": base64.b64encode(signed_by(checkpoint).public_key).decode(),
                "entries": [{"entry": proof.entry, "index": proof.index, "hashes": proof.hashes} for proof in proofs],
            }
            for checkpoint, proofs in prove_each(entry_ids)
        ],
        "issued_at": stamp(clock.now()),
    }
    made = sign(SigningUse.CERTIFICATE, canonical_json(content))
    return {
        "certificate": content,
        "signature": {
            "algorithm": "Ed25519",
            "key_id": str(made.key.id),
            "public_key": base64.b64encode(made.key.public_key).decode(),
            "value": base64.b64encode(made.signature).decode(),
        },
    }


def _system(request: SubjectRequest, task: Task, public_key: str) -> dict[str, object]:
    return {
        "system": task.system_code,
        "task": str(task.id),
        "name": task.system_name,
        "asked_at": stamp(task.asked_at) if task.asked_at else None,
        "accepted_at": stamp(task.accepted_at) if task.accepted_at else None,
        "reported_at": stamp(task.reported_at) if task.reported_at else None,
        "checked_at": stamp(task.checked_at) if task.checked_at else None,
        "outcome": task.outcome,
        "reason": task.reason or "",
        "counts": task.counts,
        "check": task.check_result,
        "evidence": _evidence(request, task.evidence_kind, task.evidence, public_key),
        "recheck_evidence": _evidence(request, task.recheck_evidence_kind, task.recheck_evidence, public_key),
    }


def _evidence(request: SubjectRequest, kind: str, evidence: object, public_key: str) -> dict[str, object] | None:
    """A system's answer as evidence; an answer to an access request holds data, so only its hash stands here."""
    if not isinstance(evidence, dict):
        return {"kind": kind} if kind else None
    if kind not in {EvidenceKind.PARTNER_ED25519, EvidenceKind.RECORDED_RESPONSE}:
        return {"kind": kind, **evidence}
    told: dict[str, object] = {"kind": kind, "sha256": evidence["sha256"]}
    if kind == EvidenceKind.PARTNER_ED25519 and request.kind == RequestKind.ERASURE:
        told |= {"headers": evidence["headers"], "body": evidence["body"], "public_key": public_key}
    return told
