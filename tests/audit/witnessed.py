"""A log that is witnessed: keys of witnesses, a way to ask the log without a network, and a restore from a backup."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from django.test import Client

from identity_privacy.actors import Actor
from identity_privacy.audit import offline, services, tiles
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.continuity import text_of
from identity_privacy.audit.cosignature import CosigningKey
from identity_privacy.audit.models import Checkpoint, Cosignature, Entry, Sequenced, Tile
from identity_privacy.audit.witness import Ask, State, Witness
from identity_privacy.crypto.models import KnownCheckpoint
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.http import Answer
from tests.conftest import triggers_lifted

ORIGIN = "identity-privacy.example/log"
WITNESS = CosigningKey(name="witness.example/w1", seed=b"1" * 32)
OTHER = CosigningKey(name="witness.example/w2", seed=b"2" * 32)


def grow(entries: int = 1) -> Checkpoint:
    """Enter something and sign what there is then."""
    for _ in range(entries):
        services.record(actor=Actor.service("test"), action="test.done", target=("thing", uuid4()), controller_id=None)
    services.sequence()
    return newest()


def newest() -> Checkpoint:
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    return checkpoint


def cosigned(checkpoint: Checkpoint, key: CosigningKey = WITNESS, *, at: int = 1_764_000_000) -> str:
    return checkpoint.note + key.cosign(f"{text_of(checkpoint.note)}\n", at=at)


def restore(size: int) -> None:
    """Put both databases back to when the log had this many entries: a checkpoint was signed of them."""
    with triggers_lifted("default"):
        gone = Sequenced.objects.filter(index__gte=size)
        Entry.objects.exclude(id__in=Sequenced.objects.filter(index__lt=size).values("entry_id")).delete()
        gone.delete()
        Checkpoint.objects.filter(size__gt=size).delete()
        Cosignature.objects.filter(size__gt=size).delete()
    Tile.objects.all().delete()
    places = Sequenced.objects.order_by("index").select_related("entry")
    tiles.append(1, 0, [bytes(place.entry.leaf_hash) for place in places])
    KnownCheckpoint.objects.all().delete()


def log_key() -> str:
    return base64.b64encode(current_public_key(SigningUse.CHECKPOINT).public_key).decode()


def asking(client: Client, *, instead: Mapping[str, bytes] | None = None, down: Sequence[str] = ()) -> Ask:
    """Ask this service, without a network; at some paths somebody else answers, or nobody."""

    def ask(path: str, body: bytes | None = None) -> Answer:
        if path in down:
            return Answer(status=503, headers={}, body=b"")
        if instead is not None and path in instead:
            return Answer(status=200, headers={}, body=instead[path])
        url = f"/api/v1/audit/{path}"
        answer = client.get(url) if body is None else client.post(url, body, content_type="application/json")
        return Answer(status=answer.status_code, headers={}, body=answer.content)

    return ask


def witness(
    ask: Ask, folder: Path, *, key: CosigningKey = WITNESS, log_keys: Sequence[str] = (), origin: str = ""
) -> Witness:
    return Witness(
        ask=ask,
        log_keys=offline.Pinned(log_keys or [log_key()]),
        key=key,
        state=State(folder / f"{key.name.replace('/', '-')}.state"),
        origin=origin,
    )
