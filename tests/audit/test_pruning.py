"""Old entries can be taken out of the log, by the owner of its tables alone; all that was proven stays proven."""

import io
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from threading import Event, Thread

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, connections, transaction
from pytest_django import Settings

from dsar.models import SubjectRequest
from dsar.terms import RequestKind
from identity_privacy import clock
from identity_privacy.audit import offline, removing, services
from identity_privacy.audit.append_only import check_append_only
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.continuity import HANDED_OVER
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.offline import is_consistent, leaf_hash
from identity_privacy.audit.partitions import Quarter, first_id_on
from identity_privacy.audit.proofs import prove_consistency, prove_inclusion
from identity_privacy.audit.services import pruning
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.models import KnownCheckpoint
from identity_privacy.errors import NotPermitted, Refused
from tests.audit.aged import DBA, LATER, OLD, enter_on, grown, prune
from tests.conftest import triggers_lifted
from tests.factories import make_controller, make_person, make_request

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partitions_of_old")]


def test_what_is_old_goes_and_every_proof_still_holds() -> None:
    old, younger = grown()
    before = latest_checkpoint()
    first = Checkpoint.objects.earliest("size")
    assert before is not None
    said = prune("--before", "2015-04-01", "--yes")
    assert "300 entries before 2015-04-01 are taken out for good: identity-privacy.example/log 0-299" in said
    assert not Entry.objects.filter(id__in=[entry.id for entry in old]).exists()
    assert Entry.objects.filter(id__in=[entry.id for entry in younger]).count() == 300
    assert Sequenced.objects.count() == verify_log() == 601
    for checkpoint in (before, None):
        proof = prove_inclusion(younger[7].id, checkpoint)
        note = checkpoint or latest_checkpoint()
        assert note is not None
        hashes = [b64decode(part) for part in proof.hashes]
        leaf = leaf_hash(entry_bytes(younger[7]))
        assert offline.root_of_inclusion(leaf, proof.index, note.size, hashes) == bytes(note.root)
    grew = [b64decode(part) for part in prove_consistency(1, first.size, 601).hashes]
    newest = latest_checkpoint()
    assert newest is not None
    assert is_consistent(first.size, 601, bytes(first.root), bytes(newest.root), grew)
    out = io.StringIO()
    call_command("audit", "verify", stdout=out)
    assert "601 entries" in out.getvalue()
    assert "300 of them were pruned" in out.getvalue()
    assert check_append_only(databases=["default"]) == []


def test_the_log_itself_says_what_was_pruned() -> None:
    grown()
    before = latest_checkpoint()
    assert before is not None
    prune("--before", "2015-04-01", "--yes")
    entry = Entry.objects.get(action="log.pruned")
    assert (entry.actor_kind, entry.actor_id) == ("service", "dba")
    assert entry.details["before"] == "2015-04-01"
    assert (entry.details["count"], entry.details["kept"]) == (300, 0)
    assert entry.details["places"] == ["identity-privacy.example/log 0-299"]
    assert entry.details["checkpoints"] == [before.note]
    assert entry.details["account"]
    newest = latest_checkpoint()
    assert newest is not None
    assert Sequenced.objects.get(entry=entry).index < newest.size
    assert KnownCheckpoint.objects.get(holder="").size == newest.size


def test_a_day_inside_a_quarter_prunes_up_to_its_beginning_and_says_so() -> None:
    enter_on(date(2015, 3, 31))
    enter_on(date(2015, 4, 1))
    said = prune("--before", "2015-06-30", "--yes")
    assert "before 2015-04-01 (2015-06-30 is inside a quarter" in said
    assert verify_log() == 3
    assert Entry.objects.filter(id__lt=first_id_on(date(2016, 1, 1))).count() == 1


def test_once_more_prunes_nothing() -> None:
    grown()
    prune("--before", "2015-04-01", "--yes")
    assert "nothing to prune" in prune("--before", "2015-04-01", "--yes")
    assert Entry.objects.filter(action="log.pruned").count() == 1


def test_a_later_pruning_goes_on() -> None:
    grown()
    prune("--before", "2015-04-01", "--yes")
    prune("--before", "2017-01-01", "--yes")
    assert verify_log() == 602
    assert list(Entry.objects.order_by("id").values_list("action", flat=True)) == ["log.pruned", "log.pruned"]
    services.sequence()
    enter_on(clock.machine_now().date(), 3)
    assert services.sequence() == 3
    assert verify_log() == 605


def test_what_lies_in_the_default_partition_goes_too() -> None:
    enter_on(date(2012, 2, 3), 3)  # no quarter was made for it
    enter_on(OLD, 2)
    enter_on(LATER)
    prune("--before", "2015-04-01", "--yes")
    assert verify_log() == 7
    assert Entry.objects.count() == 2


def test_nothing_younger_than_is_kept_goes(settings: Settings) -> None:
    settings.AUDIT_KEEP_DAYS = 100
    today = clock.machine_now().date()
    enter_on(OLD)
    with pytest.raises(CommandError, match="AUDIT_KEEP_DAYS is 100"):
        prune("--before", today - timedelta(days=99), "--yes")
    assert Entry.objects.count() == 1
    prune("--before", today - timedelta(days=100), "--yes")
    assert Entry.objects.count() == 1


def test_a_changed_entry_is_not_thrown_away() -> None:
    old, _ = grown()
    with triggers_lifted("default"):
        Entry.objects.filter(id=old[3].id).update(reason="another")
    with pytest.raises(CommandError, match="nothing was pruned: the log was changed: entry 3 of epoch 1 was changed"):
        prune("--before", "2015-04-01", "--yes")
    assert Entry.objects.filter(id=old[3].id).exists()


def test_an_entry_without_a_place_is_not_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    grown()
    enter_on(OLD)
    monkeypatch.setattr(pruning, "sequence", int)
    monkeypatch.setattr(pruning, "verify_log", int)
    with pytest.raises(Refused, match="1 entries before 2015-04-01 have no place"):
        services.prune(date(2015, 4, 1), actor=DBA, account="operator7")
    assert Entry.objects.filter(id__lt=first_id_on(date(2015, 4, 1))).count() == 301


def test_the_hand_over_from_an_older_epoch_is_kept() -> None:
    enter_on(OLD, 2)
    enter_on(OLD, action="log.handed_over", target_kind="log")
    prune("--before", "2015-04-01", "--yes")
    assert Entry.objects.filter(action=HANDED_OVER).count() == 1
    assert verify_log() == 4
    assert Entry.objects.get(action="log.pruned").details["kept"] == 1


def test_entries_of_a_request_whose_certificate_may_yet_be_issued_are_kept() -> None:
    lindwerk = make_controller()
    alice = make_person(lindwerk, email="alice@example.org", given_name="Alice")
    request = make_request(lindwerk, alice, RequestKind.ERASURE)
    SubjectRequest.objects.filter(id=request.id).update(received_at=datetime(2015, 1, 1, tzinfo=UTC))
    about = [str(request.id), str(request.tasks.get().id)]
    for target in about:
        enter_on(OLD, target_id=target)
    enter_on(OLD)
    assert "1 entries before 2015-04-01 are taken out for good" in prune("--before", "2015-04-01", "--yes")
    old = Entry.objects.filter(id__lt=first_id_on(date(2015, 4, 1)))
    assert sorted(old.values_list("target_id", flat=True)) == sorted(about)
    verify_log()
    SubjectRequest.objects.filter(id=request.id).update(forgotten_at=clock.now())
    prune("--before", "2015-04-01", "--yes")
    assert not old.exists()
    verify_log()


# --- Nothing half done --------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["no", "", None])
def test_it_asks(monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    def answer(_: str) -> str:
        if said is None:
            raise EOFError
        return said

    grown()
    monkeypatch.setattr("builtins.input", answer)
    with pytest.raises(CommandError, match="nothing was pruned"):
        prune("--before", "2015-04-01")
    assert Entry.objects.count() == 600
    monkeypatch.setattr("builtins.input", lambda _: "prune")
    prune("--before", "2015-04-01")
    assert Entry.objects.count() == 301


def test_a_pruning_that_would_take_more_than_it_said_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    grown()
    remove = removing.remove_entries
    monkeypatch.setattr(pruning, "remove_entries", lambda before, kept: remove(Quarter.of(LATER).ends_before, kept))
    with pytest.raises(CommandError, match="600 entries would have gone instead of 300"):
        prune("--before", "2015-04-01", "--yes")
    assert Entry.objects.count() == 600
    assert verify_log() == 600
    assert check_append_only(databases=["default"]) == []
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Entry.objects.all().delete()


class Killed(BaseException):
    """What ends a process ends it anywhere."""


def prune_until_statement(number: int) -> bool:
    """Prune, but die at this statement inside a transaction; says whether it came so far."""
    left = iter(range(number))

    def dying(execute: Callable[..., object], *arguments: object) -> object:
        if connection.in_atomic_block and next(left, None) is None:
            raise Killed
        return execute(*arguments)

    with connection.execute_wrapper(dying):
        try:
            prune("--before", "2015-04-01", "--yes")
        except Killed:
            return True
    return False


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_statement_it_has_done_all_or_nothing() -> None:
    enter_on(date(2012, 2, 3), 2)
    enter_on(OLD, 3)
    enter_on(OLD, action="log.handed_over", target_kind="log")
    services.sequence()
    for number in count(1):
        was_killed = prune_until_statement(number)
        is_done = Entry.objects.filter(action="log.pruned").exists()
        assert Entry.objects.count() == (2 if is_done else 6)
        assert verify_log() == (7 if is_done else 6)
        assert check_append_only(databases=["default"]) == []
        if is_done:
            break
    assert number > 20
    assert was_killed or services.sequence() == 0


def hold_the_log(begun: Event, done: Event) -> None:
    """Somebody else's transaction that has entered something and goes on."""
    try:
        with transaction.atomic():
            services.record(actor=DBA, action="test.done", target=("thing", "1"), controller_id=None)
            begun.set()
            done.wait(30)
    finally:
        connections.close_all()


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_it_lets_others_go_first_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    enter_on(OLD, 3)
    begun, done = Event(), Event()
    other = Thread(target=hold_the_log, args=(begun, done))

    def let_go(_: float) -> None:
        done.set()
        other.join()

    other.start()
    try:
        assert begun.wait(30)
        monkeypatch.setattr(removing, "PATIENCE", "50ms")
        monkeypatch.setattr(pruning, "PAUSE_SECONDS", 0.0)
        with pytest.raises(CommandError, match="nothing was pruned: others' transactions"):
            prune("--before", "2015-04-01", "--yes")
        assert verify_log() == Entry.objects.count() == 3
        monkeypatch.setattr("time.sleep", let_go)  # before the second try
        prune("--before", "2015-04-01", "--yes")
    finally:
        done.set()
        other.join()
    services.sequence()
    assert verify_log() == 5
    assert Entry.objects.count() == 2


def test_whoever_is_not_the_owner_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NotPermitted("the role of DATABASE_URL does not own audit_entry")

    enter_on(OLD)
    monkeypatch.setattr(pruning, "refuse_unless_owner", refuse)
    with pytest.raises(CommandError, match="database-roles"):
        prune("--before", "2015-04-01", "--yes")
    assert Entry.objects.count() == 1
