"""Entries leave the log as lines that each prove themselves, whatever epoch they stand in."""

import base64
import json
from uuid import uuid4

import pytest

from identity_privacy.actors import Actor
from identity_privacy.audit import extracts, services
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name
from identity_privacy.audit.extracts import proven_lines
from identity_privacy.audit.models import Entry
from identity_privacy.audit.offline import canonical, leaf_hash, root_of_inclusion
from identity_privacy.clock import now
from identity_privacy.crypto.models import KnownCheckpoint

pytestmark = pytest.mark.django_db


def test_each_line_is_proven_under_the_newest_checkpoint_of_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracts, "TOGETHER", 3)  # several at a time, and a rest
    enter(7)
    services.sequence()
    hand_over()
    enter(2)
    services.sequence()
    entries = Entry.objects.filter(action="test.done")
    lines = list(proven_lines(entries))
    assert len(lines) == 9
    for line in lines:
        proof = json.loads(line)
        assert line == canonical(proof) + b"\n"
        epoch = 2 if proof["checkpoint"].startswith(f"{log_name(2)}\n") else 1
        checkpoint = latest_checkpoint(epoch)
        assert checkpoint
        assert proof["checkpoint"] == checkpoint.note
        hashes = [base64.b64decode(part) for part in proof["hashes"]]
        found = root_of_inclusion(leaf_hash(canonical(proof["entry"])), proof["index"], checkpoint.size, hashes)
        assert found == bytes(checkpoint.root)


def test_what_waits_for_its_place_is_not_in_it_yet() -> None:
    enter(2)
    services.sequence()
    enter(1)
    assert len(list(proven_lines(Entry.objects.filter(action="test.done")))) == 2


def hand_over() -> None:
    checkpoint = latest_checkpoint()
    assert checkpoint
    facts = {"epoch": 1, "size": checkpoint.size + 5, "root": bytes(32), "at": now(), "note": checkpoint.note}
    KnownCheckpoint.objects.update_or_create(holder="", defaults=facts)
    services.hand_over(actor=Actor.service("test"))


def enter(count: int) -> None:
    for _ in range(count):
        services.record(actor=Actor.service("test"), action="test.done", target=("thing", uuid4()), controller_id=None)
