"""Who witnesses the log signs its checkpoints: the form is the one that others use, and only what is signed counts."""

import base64
import doctest

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.audit import cosignature, offline, services
from identity_privacy.audit.checkpoints import cosigned_note, latest_cosigned_checkpoint
from identity_privacy.audit.continuity import not_continued, refuse_unless_continued, text_of
from identity_privacy.audit.cosignature import (
    ED25519,
    CosigningKey,
    cosigning_key,
    key_id,
    parsed_note,
    signature_line,
    verifier_key,
)
from identity_privacy.audit.errors import CheckpointHandedOver, CheckpointNotHeld, LogBehind, NotCosigned
from identity_privacy.audit.models import Cosignature, Entry
from identity_privacy.audit.note import checkpoint_text, signed_checkpoint
from identity_privacy.audit.offline import Unverified
from identity_privacy.audit.witnesses import line_hash
from identity_privacy.crypto.models import KnownCheckpoint
from identity_privacy.errors import Invalid
from tests.audit.witnessed import ORIGIN, OTHER, WITNESS, cosigned, grow, log_key, newest, restore
from tests.factories import SERVICE

pytestmark = pytest.mark.django_db

# A checkpoint of a public log of certificates, as its witnesses left it in May 2026, with two of the published keys.
PUBLISHED = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
"""  # noqa: E501  # signatures are one line each
PUBLISHED_LOG = base64.b64decode("AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f")[1:]
PUBLISHED_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
# The example of C2SP tlog-cosignature, whose keys are not published.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501  # as above


@pytest.fixture(autouse=True)
def trusted(settings: Settings) -> None:
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier), str(OTHER.verifier)]


# --- The form -----------------------------------------------------------------------------------------


def test_the_worked_example_is_true() -> None:
    assert doctest.testmod(cosignature).failed == 0


def test_what_a_public_witness_signed_on_a_public_log_verifies() -> None:
    note, witness = parsed_note(PUBLISHED), verifier_key(PUBLISHED_WITNESS)
    assert note.cosigned_by(witness) == (1_779_573_024, note.signatures[-1].line)
    assert len(note.lines_of_log([PUBLISHED_LOG])) == 1
    changed = parsed_note(PUBLISHED.replace("1432088532", "1432088533"))
    with pytest.raises(Unverified):
        changed.cosigned_by(witness)
    with pytest.raises(Unverified):
        changed.lines_of_log([PUBLISHED_LOG])


def test_the_specifications_example_is_read_as_it_says() -> None:
    note = parsed_note(EXAMPLE)
    assert (note.origin, note.size) == ("example.com/behind-the-sofa", 20_852_163)
    by_witness = note.signatures[1]
    assert (by_witness.name, by_witness.key_id.hex()) == ("witness.example.com/w1", "8d66cf3f")
    assert int.from_bytes(by_witness.signature[:8]) == 1_679_315_147
    assert len(by_witness.signature) == 8 + 64


def test_keys_are_written_as_others_write_them() -> None:
    assert str(verifier_key(PUBLISHED_WITNESS)) == PUBLISHED_WITNESS
    assert cosigning_key(WITNESS.secret_text()) == WITNESS
    assert WITNESS.seed.hex() not in repr(WITNESS)
    assert repr(WITNESS.seed) not in repr(WITNESS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "remora.n621.de",
        PUBLISHED_WITNESS.replace("da77ade7", "00000000"),
        PUBLISHED_WITNESS.replace("da77ade7", "DA77ADE7"),
        PUBLISHED_WITNESS.replace("remora", "remura"),
        PUBLISHED_WITNESS.replace("+BO", "+AO"),
        f" {PUBLISHED_WITNESS}",
        WITNESS.secret_text(),
        # Of another kind: it signs notes, not as a witness.
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_what_is_no_witness_key_is_refused_and_stops_the_start(text: str, settings: Settings) -> None:
    with pytest.raises(Unverified):
        verifier_key(text)
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier), text]
    findings = [found for found in run_checks() if found.id == "identity_privacy.E104"]
    assert [(found.msg, bool(found.hint)) for found in findings if "key 2 of 2" in found.msg] != []


def test_a_name_that_has_no_place_in_the_tables_stops_the_start(settings: Settings) -> None:
    settings.AUDIT_WITNESSES = [str(CosigningKey(name="w" * 65, seed=bytes(32)).verifier)]
    assert [found.id for found in run_checks()] == ["identity_privacy.E104"]


@given(st.text() | st.binary().map(lambda noise: noise.decode("latin-1")))
def test_noise_is_refused_by_our_own_error_alone(noise: str) -> None:
    for read in (parsed_note, verifier_key, cosigning_key):
        with pytest.raises(Unverified):
            read(noise)
    with pytest.raises(Unverified):
        parsed_note(f"{PUBLISHED}{noise or '—'}")


@given(st.text(min_size=1), st.text(alphabet="Aa+/=", min_size=1))
def test_a_line_of_noise_is_read_as_one_or_refused(name: str, signature: str) -> None:
    try:
        note = parsed_note(f"{PUBLISHED}— {name} {signature}\n")
    except Unverified:
        return
    assert (note.signatures[-1].name, len(note.signatures)) == (name, 5)


# --- Taking them --------------------------------------------------------------------------------------


def test_a_cosignature_is_kept_once_with_an_entry() -> None:
    checkpoint = grow(3)
    for _ in range(2):
        services.accept_cosignature(note=cosigned(checkpoint))
    stored = Cosignature.objects.get()
    assert (stored.epoch, stored.size, stored.witness) == (1, 3, WITNESS.name)
    entry = Entry.objects.get(action="checkpoint.cosigned")
    assert (entry.actor_kind, entry.actor_id, entry.target_id) == ("witness", WITNESS.name, ORIGIN)
    told = {"entries": 3, "signed_at": "2025-11-24T16:00:00.000000Z"}
    assert entry.details == {**told, "sha256": line_hash(Cosignature.objects.get().line)}
    assert entry.controller_id is None


def test_the_first_of_two_cosignatures_of_a_witness_stands() -> None:
    checkpoint = grow(3)
    first = services.accept_cosignature(note=cosigned(checkpoint))
    again = services.accept_cosignature(note=cosigned(checkpoint, at=1_764_000_001))
    assert [one.line for one in again] == [one.line for one in first]


def test_the_note_is_given_out_with_every_cosignature() -> None:
    checkpoint = grow(3)
    for key in (OTHER, WITNESS):
        services.accept_cosignature(note=cosigned(checkpoint, key))
    grow()
    assert latest_cosigned_checkpoint() == checkpoint
    note = parsed_note(cosigned_note(checkpoint))
    assert all(note.cosigned_by(key.verifier) for key in (WITNESS, OTHER))
    read = offline.read_checkpoint(cosigned_note(checkpoint), _pinned(), origin=ORIGIN)
    assert (read.size, read.root) == (3, bytes(checkpoint.root))


def test_the_newest_cosigned_checkpoint_is_remembered_beside_the_keys() -> None:
    old, new = grow(2), grow(2)
    for checkpoint in (new, old):
        services.accept_cosignature(note=cosigned(checkpoint))
    known = KnownCheckpoint.objects.get(holder=WITNESS.name)
    assert (known.epoch, known.size, known.note) == (1, new.size, new.note)
    refuse_unless_continued()


def test_several_witnesses_may_have_signed_one_note() -> None:
    checkpoint = grow(2)
    text = parsed_note(checkpoint.note).text
    note = cosigned(checkpoint) + OTHER.cosign(text, at=1) + STRANGER.cosign(text, at=1)
    assert [one.witness for one in services.accept_cosignature(note=note)] == [WITNESS.name, OTHER.name]


STRANGER = CosigningKey(name="witness.example/w3", seed=b"3" * 32)
IMPOSTOR = CosigningKey(name=WITNESS.name, seed=b"4" * 32)


@pytest.mark.parametrize("key", [STRANGER, IMPOSTOR], ids=["stranger", "impostor"])
def test_an_unknown_witness_is_refused(key: CosigningKey) -> None:
    with pytest.raises(NotCosigned):
        services.accept_cosignature(note=cosigned(grow(), key))
    assert not Cosignature.objects.exists()


def test_a_note_of_another_log_is_refused() -> None:
    text = checkpoint_text("another.example/log", 5, bytes(32))
    note = f"{text}\n{_signed_by(STRANGER, text)}{WITNESS.cosign(text, at=1)}"
    with pytest.raises(NotCosigned, match="another log"):
        services.accept_cosignature(note=note)


def test_a_note_that_we_did_not_sign_is_refused_whoever_cosigned_it() -> None:
    grow()
    text = checkpoint_text(ORIGIN, 5, bytes(32))
    with pytest.raises(NotCosigned, match="not signed by a key of this log"):
        services.accept_cosignature(note=f"{text}\n{_signed_by(STRANGER, text)}{WITNESS.cosign(text, at=1)}")
    assert not_continued() == []


@pytest.mark.parametrize("part", ["text", "ours", "theirs"])
def test_a_signature_that_is_not_right_is_refused_and_noted_nowhere(part: str) -> None:
    note = cosigned(grow(3))
    at = {"text": note.index("\n3\n") + 1, "ours": note.index("\n\n— ") + 60, "theirs": len(note) - 10}[part]
    changed = note[:at] + ("4" if part == "text" else "A" if note[at] != "A" else "B") + note[at + 1 :]
    with pytest.raises(Invalid) as refused:
        services.accept_cosignature(note=changed)
    assert refused.value.field == "note"
    assert not Cosignature.objects.exists()
    assert not_continued() == []


def test_a_time_that_is_yet_to_come_is_refused() -> None:
    checkpoint, now = grow(), int(clock.machine_now().timestamp())
    for at in (now + 600, 2**63 - 1, 2**64 - 1):
        with pytest.raises(Invalid, match="yet to come"):
            services.accept_cosignature(note=cosigned(checkpoint, at=at))
    services.accept_cosignature(note=cosigned(checkpoint, at=now + 60))


@given(st.text() | st.builds("{}{}".format, st.just(PUBLISHED), st.text()))
@effort(max_examples=25)
def test_noise_as_a_note_raises_our_errors_alone(noise: str) -> None:
    with override_settings(AUDIT_WITNESSES=[str(WITNESS.verifier)]), pytest.raises((Invalid, NotCosigned)):
        services.accept_cosignature(note=noise)


# --- The alarm ----------------------------------------------------------------------------------------


def test_a_cosigned_checkpoint_that_a_restored_log_does_not_hold_stops_it() -> None:
    grow(3)
    evidence = cosigned(grow(2))
    restore(3)
    refuse_unless_continued()
    for _ in range(2):
        with pytest.raises(CheckpointNotHeld):
            services.accept_cosignature(note=evidence)
    with pytest.raises(LogBehind, match=f"{WITNESS.name} holds a checkpoint of 5 entries"):
        services.sequence()
    entry = Entry.objects.get(action="checkpoint.not_held")
    assert (entry.actor_id, entry.details["entries"]) == (WITNESS.name, 5)
    assert not Cosignature.objects.exists()


def test_nothing_that_strangers_add_to_the_evidence_is_kept() -> None:
    grow(3)
    checkpoint = grow(2)
    restore(3)
    note = checkpoint.note + "— alice@example.org AAAAAAAA\n" + cosigned(checkpoint)[len(checkpoint.note) :]
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=note)
    assert KnownCheckpoint.objects.get(holder=WITNESS.name).note == checkpoint.note


def test_the_log_goes_on_once_it_is_handed_over_from_the_evidence() -> None:
    grow(3)
    evidence = cosigned(grow(2))
    restore(3)
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=evidence)
    opened = services.hand_over(actor=SERVICE)
    assert (opened.epoch, opened.size) == (2, 2)  # the hand-over, and the entry about the evidence
    services.sequence()
    with pytest.raises(CheckpointHandedOver):
        services.accept_cosignature(note=evidence)
    refuse_unless_continued()
    services.accept_cosignature(note=cosigned(newest()))
    assert KnownCheckpoint.objects.get(holder=WITNESS.name, is_astray=False).epoch == 2


def test_whoever_kept_what_was_cosigned_of_a_lost_range_cannot_stop_the_log_again() -> None:
    grow(3)
    kept = [cosigned(grow(1)) for _ in range(4)]
    services.accept_cosignature(note=kept[-1])
    restore(3)
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=kept[-1])
    services.hand_over(actor=SERVICE)
    before = set(KnownCheckpoint.objects.values_list("holder", "is_astray", "epoch", "size"))
    for evidence in kept:
        with pytest.raises(CheckpointHandedOver):
            services.accept_cosignature(note=evidence)
    refuse_unless_continued()
    assert set(KnownCheckpoint.objects.values_list("holder", "is_astray", "epoch", "size")) == before
    services.accept_cosignature(note=cosigned(newest()))


def test_nor_with_what_was_cosigned_of_a_fork_that_it_was_handed_over_from() -> None:
    grow(2)
    kept = [cosigned(grow(1)) for _ in range(3)]
    restore(2)
    grow(9)  # which goes on as if nothing had been
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=kept[-1])
    services.hand_over(actor=SERVICE)
    for evidence in kept:
        with pytest.raises(CheckpointHandedOver):
            services.accept_cosignature(note=evidence)
    refuse_unless_continued()


def test_what_a_witness_had_cosigned_beyond_the_hand_over_stops_the_log_all_the_same() -> None:
    grow(3)
    older, newer = cosigned(grow(2)), cosigned(grow(2))
    restore(3)
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=older)
    services.hand_over(actor=SERVICE)
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=newer)
    assert [one.size for one in not_continued()] == [7]
    assert services.hand_over(actor=SERVICE).epoch == 3


def test_a_fork_that_is_shown_takes_nothing_away_from_what_the_witness_holds() -> None:
    checkpoint = grow(5)
    services.accept_cosignature(note=cosigned(checkpoint))
    forked = a_fork()
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=forked)
    services.hand_over(actor=SERVICE)
    handed_over = Entry.objects.get(action="log.handed_over").details["checkpoints"]
    assert {text_of(note) for note in handed_over} == {text_of(checkpoint.note), text_of(forked)}


def a_fork() -> str:
    """A checkpoint of four other entries than the log has, which we signed and the witness cosigned."""
    other = b"another root of four entries----"
    return signed_checkpoint(ORIGIN, 4, other) + WITNESS.cosign(checkpoint_text(ORIGIN, 4, other), at=1)


def test_a_fork_is_the_alarm_even_beside_a_newer_checkpoint_that_is_held() -> None:
    checkpoint = grow(5)
    services.accept_cosignature(note=cosigned(checkpoint))
    forked = a_fork()
    with pytest.raises(CheckpointNotHeld):
        services.accept_cosignature(note=forked)
    assert [(one.holder, one.size) for one in not_continued()] == [(WITNESS.name, 4)]


def test_of_two_checkpoints_that_are_not_held_the_newer_stays_noted() -> None:
    grow(3)
    older, newer = cosigned(grow(2)), cosigned(grow(2))
    restore(3)
    for evidence in (newer, older):
        with pytest.raises(CheckpointNotHeld):
            services.accept_cosignature(note=evidence)
    assert [one.size for one in not_continued()] == [7]
    assert Entry.objects.filter(action="checkpoint.not_held").count() == 1


def _signed_by(key: CosigningKey, text: str) -> str:
    """What somebody signs in the log's name."""
    origin = text.partition("\n")[0]
    return signature_line(origin, key_id(origin, ED25519, key.verifier.public_key), bytes(64))


def _pinned() -> offline.Pinned:
    return offline.Pinned([log_key()])
