"""A log that was restored from an older backup is found out, and goes on only by a hand-over."""

from base64 import b64encode
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django import Settings

from identity_privacy import guard
from identity_privacy.actors import Actor
from identity_privacy.audit import offline, services
from identity_privacy.audit.checkpoints import epoch_named, latest_checkpoint, log_name
from identity_privacy.audit.continuity import CONTINUITY, SERVICE, check_continuity, hand_overs, keep, not_continued
from identity_privacy.audit.errors import LogBehind, LogRenamed
from identity_privacy.audit.models import Checkpoint, Sequenced
from identity_privacy.audit.proofs import prove_inclusion
from identity_privacy.audit.verification import verify_log
from identity_privacy.checks import CANNOT_START, refuse_to_work
from identity_privacy.crypto.models import KnownCheckpoint
from identity_privacy.errors import Refused
from tests.backups import back_up, restore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

pytestmark = pytest.mark.django_db

OPERATOR = Actor.service("restore")


def enter(count: int = 1) -> list[UUID]:
    return [
        services.record(actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=None)
        for _ in range(count)
    ]


def grow(count: int) -> Checkpoint:
    enter(count)
    services.sequence()
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    return checkpoint


def go_back() -> tuple[Checkpoint, list[UUID]]:
    """Restore a backup of 5 entries, and 2 without a place, after the log had grown to 9; gives what was signed."""
    grow(5)
    unsequenced = enter(2)
    back_up()
    lost = grow(2)
    restore()
    return lost, unsequenced


def test_a_log_that_only_grew_goes_on() -> None:
    grow(3)
    grow(4)
    assert not_continued() == []
    assert run_checks(tags=[CONTINUITY], databases=["default", "keys"]) == []
    with pytest.raises(Refused):
        services.hand_over(actor=OPERATOR)


def test_a_log_of_an_older_backup_takes_no_entry_into_its_tree() -> None:
    go_back()
    with pytest.raises(LogBehind, match="we have signed a checkpoint of 9 entries"):
        services.sequence()
    assert Sequenced.objects.count() == 5


def test_no_worker_begins_on_it(capsys: pytest.CaptureFixture[str]) -> None:
    refuse_to_work()
    go_back()
    with pytest.raises(SystemExit) as ended:
        refuse_to_work()
    assert ended.value.code == CANNOT_START
    assert "E102: the audit log is behind" in capsys.readouterr().err


def test_an_empty_database_beside_the_old_keys_is_found_out_too() -> None:
    back_up()
    grow(3)
    restore()
    assert [known.size for known in not_continued()] == [3]


def test_a_witness_knows_what_a_restored_keys_database_has_forgotten() -> None:
    lost, _ = go_back()
    KnownCheckpoint.objects.all().delete()
    grow(4)  # as long again, with other entries
    keep("wächter", lost)
    with pytest.raises(LogBehind, match="the witness wächter holds"):
        services.sequence()


def test_what_is_known_never_goes_back() -> None:
    known = [Checkpoint(epoch=e, size=s, root=b"", note="", at=grow(1).at) for e, s in ((1, 3), (1, 7), (2, 1))]
    for order in permutations(known):
        KnownCheckpoint.objects.all().delete()
        for checkpoint in order:
            keep("somebody", checkpoint)
        assert KnownCheckpoint.objects.values_list("epoch", "size").get() == (2, 1)


def test_a_checkpoint_whose_signer_died_before_it_was_known_is_known_with_the_next_run() -> None:
    grow(3)
    KnownCheckpoint.objects.all().delete()
    assert services.sequence() == 0
    assert KnownCheckpoint.objects.values_list("holder", "size").get() == (SERVICE, 3)


def root_of(epoch: int) -> str:
    checkpoint = latest_checkpoint(epoch)
    assert checkpoint is not None
    return b64encode(checkpoint.root).decode()


def test_the_log_goes_on_under_its_next_name_and_says_what_is_missing() -> None:
    lost, unsequenced = go_back()
    services.hand_over(actor=OPERATOR)

    first = Sequenced.objects.select_related("entry").get(epoch=2, index=0).entry
    assert first.target_id == log_name(2) == "identity-privacy.example/log/epoch-2"
    assert first.details == {
        "checkpoints": [lost.note],
        "kept": [f"identity-privacy.example/log 5 {root_of(1)}"],
        "missing": ["identity-privacy.example/log 5-8"],
    }
    assert [entry.id for entry in hand_overs()] == [first.id]
    places = Sequenced.objects.filter(epoch=2, index__gt=0).order_by("index").values_list("entry_id", flat=True)
    assert list(places) == unsequenced
    assert grow(3).epoch == 2
    assert verify_log() == 5 + 1 + 2 + 3
    with pytest.raises(Refused):
        services.hand_over(actor=OPERATOR)


def test_entries_of_both_epochs_can_be_proven() -> None:
    go_back()
    services.hand_over(actor=OPERATOR)
    grow(3)
    for place in Sequenced.objects.all():
        checkpoint = latest_checkpoint(place.epoch)
        assert checkpoint is not None
        proof = prove_inclusion(place.entry_id)
        hashes = [offline.decoded(part, "hash") for part in proof.hashes]
        leaf = offline.leaf_hash(offline.canonical(proof.entry))
        assert offline.root_of_inclusion(leaf, place.index, checkpoint.size, hashes) == bytes(checkpoint.root)
        assert proof.checkpoint.startswith(f"{log_name(place.epoch)}\n{checkpoint.size}\n")


def test_a_backup_from_before_a_hand_over_leads_to_a_third_epoch() -> None:
    grow(2)
    back_up("oldest")
    go_back()
    services.hand_over(actor=OPERATOR)
    second = latest_checkpoint()
    restore("oldest")
    assert [known.epoch for known in not_continued()] == [2]
    assert services.hand_over(actor=OPERATOR).epoch == 3
    assert second is not None
    (first,) = hand_overs()
    kept = [f"identity-privacy.example/log 2 {root_of(1)}", "identity-privacy.example/log/epoch-2 0"]
    assert first.details["kept"] == kept
    assert first.details["missing"] == [f"identity-privacy.example/log/epoch-2 0-{second.size - 1}"]
    assert grow(1).epoch == 3


def test_evidence_that_comes_after_a_hand_over_needs_another() -> None:
    lost, _ = go_back()
    KnownCheckpoint.objects.all().delete()
    forgotten = grow(1)
    back_up("later")
    grow(2)
    restore("later")
    services.hand_over(actor=OPERATOR)
    keep("w.example", lost)
    assert [known.size for known in not_continued()] == [lost.size]
    services.hand_over(actor=OPERATOR)
    assert not_continued() == []
    assert lost.note in hand_overs()[-1].details["checkpoints"]
    assert forgotten.size < lost.size


def test_the_command_erases_first_and_then_hands_over(capsys: pytest.CaptureFixture[str]) -> None:
    go_back()
    call_command("erasures", "replay")
    said = capsys.readouterr().out
    assert "0 people were erased before" in said
    assert "goes on as identity-privacy.example/log/epoch-2" in said
    assert "identity-privacy.example/log 5-8" in said
    assert verify_log() == 8
    call_command("erasures", "replay")
    assert "it goes on as it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("identity-privacy.example/log", 1),
        ("identity-privacy.example/log/epoch-12", 12),
        ("identity-privacy.example/log/epoch-1", None),
        ("identity-privacy.example/log/epoch-02", None),
        ("identity-privacy.example/log/epoch-x", None),
        ("another.example/log", None),
    ],
)
def test_each_epoch_has_one_name(name: str, epoch: int | None) -> None:
    assert epoch_named(name) == epoch
    assert epoch is None or log_name(epoch) == name


# --- What the web process answers ---------------------------------------------------------------------


class Answer:
    """What a request to a guarded application came to."""

    def __init__(self, guarded: guard.Guard, path: str = "/") -> None:
        self.status, self.headers, self.body = "", dict[str, str](), b""
        self.body += b"".join(guarded({"PATH_INFO": path}, self._begin))

    def _begin(
        self, status: str, headers: list[tuple[str, str]], _error: object = None, /
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, dict(headers)
        return self.body.__add__


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> guard.Guard:
    monkeypatch.setattr(guard, "EVERY_SECONDS", 0.0)

    def application(_environ: object, start_response: "StartResponse") -> list[bytes]:
        start_response("200 OK", [])
        return [b"served"]

    return guard.Guard(application)


def test_nothing_is_served_from_an_older_backup_until_it_was_handed_over(guarded: guard.Guard) -> None:
    assert Answer(guarded).body == b"served"
    go_back()
    page = Answer(guarded)
    assert page.status == "503 Service Unavailable"
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    problem = Answer(guarded, "/api/v1/audit/checkpoint/")
    assert (problem.status, problem.headers["Content-Type"]) == (page.status, "application/problem+json")
    assert problem.headers["Retry-After"] == "60"
    assert Answer(guarded, "/api/v1/audit/cosignatures/").body == b"served", "what witnesses hold is heard"
    services.hand_over(actor=OPERATOR)
    assert Answer(guarded).body == b"served"


def test_nothing_is_served_before_the_log_was_seen(guarded: guard.Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_down() -> list[str]:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(guard, "not_continued", is_down)
        assert Answer(guarded).status == "503 Service Unavailable"
    assert Answer(guarded).body == b"served"
    with monkeypatch.context() as patched:
        patched.setattr(guard, "not_continued", is_down)
        assert Answer(guarded).body == b"served", "what was seen to be right stays so while the database is away"


# --- Its name -----------------------------------------------------------------------------------------


def test_nothing_is_done_under_another_name_than_the_log_was_signed_as(settings: Settings, tmp_path: Path) -> None:
    grow(3)
    settings.AUDIT_LOG_ORIGIN = "another.example/log"
    said = "the log was signed as identity-privacy.example/log, and AUDIT_LOG_ORIGIN is another.example/log"
    for arguments in (["verify"], ["sequence"], ["export", str(tmp_path / "export")]):
        with pytest.raises(CommandError, match=said):
            call_command("audit", *arguments)
    with pytest.raises(LogRenamed):
        services.hand_over(actor=Actor.service("restore"))
    (finding,) = check_continuity(databases=["default", "keys"])
    assert finding.id == "identity_privacy.E105"
    assert Checkpoint.objects.count() == 1
    settings.AUDIT_LOG_ORIGIN = "identity-privacy.example/log"
    assert verify_log() == 3
