"""The key that signs checkpoints gives way to a new one, and nobody who pinned the old one is left behind at once."""

import base64
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.audit import offline, services
from identity_privacy.audit.checkpoints import signed_by
from identity_privacy.audit.models import Checkpoint, Entry
from identity_privacy.audit.verification import verify_log
from identity_privacy.audit.witness import LogRefused
from identity_privacy.crypto.errors import RotationRuns
from identity_privacy.crypto.models import SigningKey
from identity_privacy.crypto.signing import (
    PublicKey,
    current_public_key,
    public_keys,
    rotate_signing_key,
    sign_with_all,
)
from identity_privacy.crypto.terms import SigningUse
from tests.audit.witnessed import ORIGIN, WITNESS, asking, cosigned, grow, witness
from tests.factories import SERVICE

pytestmark = pytest.mark.django_db

LATER = timedelta(days=31)


def text(key: PublicKey) -> str:
    return base64.b64encode(key.public_key).decode()


def verifies(checkpoint: Checkpoint, key: PublicKey) -> bool:
    try:
        offline.read_checkpoint(checkpoint.note, offline.Pinned([text(key)]), origin=ORIGIN)
    except offline.Unverified:
        return False
    return True


def test_both_keys_sign_during_the_overlap_and_then_the_new_one_alone() -> None:
    before = grow(2)
    old, new = services.rotate_checkpoint_key(actor=SERVICE)
    during = grow(2)
    with time_machine.travel(clock.machine_now() + LATER):
        after = grow(2)
    signed = [(verifies(checkpoint, old), verifies(checkpoint, new)) for checkpoint in (before, during, after)]
    assert signed == [(True, False), (True, True), (False, True)]
    assert [checkpoint.note.count("— ") for checkpoint in (before, during, after)] == [1, 2, 1]


def test_the_newest_key_signs_first_and_a_second_rotation_adds_a_third() -> None:
    current_public_key(SigningUse.CHECKPOINT)
    first, second = services.rotate_checkpoint_key(actor=SERVICE)
    again, third = services.rotate_checkpoint_key(actor=SERVICE)
    assert again.id == second.id
    made = sign_with_all(SigningUse.CHECKPOINT, b"message")
    assert [one.key.id for one in made] == [third.id, second.id, first.id]
    assert all(offline.signed_by(one.key.public_key, one.signature, b"message") for one in made)
    assert current_public_key(SigningUse.CHECKPOINT) == third


def test_without_an_overlap_the_old_key_stops_at_once() -> None:
    grow()
    old, new = services.rotate_checkpoint_key(actor=SERVICE, overlap=timedelta(0))
    checkpoint = grow()
    assert (verifies(checkpoint, old), verifies(checkpoint, new)) == (False, True)


def test_without_an_overlap_every_key_before_stops_at_once() -> None:
    grow()
    oldest, _ = services.rotate_checkpoint_key(actor=SERVICE)
    old, new = services.rotate_checkpoint_key(actor=SERVICE, overlap=timedelta(0))
    checkpoint = grow()
    assert [verifies(checkpoint, key) for key in (oldest, old, new)] == [False, False, True]


def test_other_keys_are_left_alone() -> None:
    certificates = current_public_key(SigningUse.CERTIFICATE)
    services.rotate_checkpoint_key(actor=SERVICE)
    assert current_public_key(SigningUse.CERTIFICATE) == certificates
    assert [one.key for one in sign_with_all(SigningUse.CERTIFICATE, b"")] == [certificates]


def test_a_rotation_is_an_entry() -> None:
    old, new = services.rotate_checkpoint_key(actor=SERVICE)
    entry = Entry.objects.get(action="checkpoint_key.rotated")
    assert (entry.actor_kind, entry.target_kind, entry.target_id) == ("service", "signing_key", str(new.id))
    assert entry.details["previous"] == str(old.id)
    assert entry.controller_id is None


def test_what_was_signed_before_goes_on_to_verify() -> None:
    before = grow(3)
    old, new = services.rotate_checkpoint_key(actor=SERVICE, overlap=timedelta(0))
    assert signed_by(before).id == old.id
    assert verify_log() == 3
    after = grow()
    assert signed_by(after).id == new.id
    assert verify_log() == after.size


def test_the_published_keys_say_how_long_each_is_valid(client: Client) -> None:
    old, new = services.rotate_checkpoint_key(actor=SERVICE)
    keys = {key["kid"]: key for key in client.get("/.well-known/jwks.json").json()["keys"]}
    assert keys[str(new.id)]["valid_until"] is None
    until = keys[str(old.id)]["valid_until"]
    assert until is not None
    assert until > clock.now().isoformat()
    assert {keys[str(key.id)]["signs"] for key in (old, new)} == {"checkpoint"}


def test_a_witness_with_either_key_follows_the_overlap(client: Client, tmp_path: Path, settings: Settings) -> None:
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]
    grow(2)
    old, new = services.rotate_checkpoint_key(actor=SERVICE)
    for key in (old, new, old):
        grow()
        assert "cosigned" in witness(asking(client), tmp_path, log_keys=[text(key)]).look()
    with time_machine.travel(clock.machine_now() + LATER):
        grow()
        with pytest.raises(LogRefused, match="not signed by a key that you trust"):
            witness(asking(client), tmp_path, log_keys=[text(old)]).look()
        assert "cosigned" in witness(asking(client), tmp_path, log_keys=[text(old), text(new)]).look()


def test_a_cosignature_of_what_the_old_key_signed_is_taken(settings: Settings) -> None:
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]
    checkpoint = grow(2)
    services.rotate_checkpoint_key(actor=SERVICE, overlap=timedelta(0))
    assert services.accept_cosignature(note=cosigned(checkpoint))[0].size == 2


def test_of_two_rotations_at_once_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    current_public_key(SigningUse.CHECKPOINT)
    monkeypatch.setattr(
        "identity_privacy.crypto.signing.ensure_begun",  # what the other one did when ours got its turn
        lambda _: SigningKey.objects.filter(use=SigningUse.CHECKPOINT).update(valid_until=clock.now()),
    )
    with pytest.raises(RotationRuns):
        rotate_signing_key(SigningUse.CHECKPOINT, overlap=timedelta(0))
    assert len(public_keys()) == 1


def test_the_command_says_which_key_signs_and_for_how_long_the_old_one_does() -> None:
    old = text(current_public_key(SigningUse.CHECKPOINT))
    out = StringIO()
    call_command("audit", "rotate-key", stdout=out)
    new = current_public_key(SigningUse.CHECKPOINT)
    assert f"checkpoints are signed by {text(new)} from now on" in out.getvalue()
    assert f"{new.valid_from + timedelta(days=30):%d %B %Y}" in out.getvalue()
    assert old in out.getvalue()


def test_the_command_stops_the_old_key_at_once_where_it_is_told_to() -> None:
    old = text(current_public_key(SigningUse.CHECKPOINT))
    out = StringIO()
    call_command("audit", "rotate-key", "--overlap-days", "0", stdout=out)
    assert old not in out.getvalue()
    assert [one.key for one in sign_with_all(SigningUse.CHECKPOINT, b"")] == [current_public_key(SigningUse.CHECKPOINT)]


@pytest.mark.parametrize("days", ["-1", "1.5", "x", "4000", "9999999999999"])
def test_a_number_of_days_that_is_none_is_refused(days: str) -> None:
    with pytest.raises(CommandError, match="days"):
        call_command("audit", "rotate-key", f"--overlap-days={days}")
    assert not Entry.objects.filter(action="checkpoint_key.rotated").exists()
