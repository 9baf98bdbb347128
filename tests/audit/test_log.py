"""What was done stands in the log for good, and anybody can check that it does."""

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from uuid import uuid4

import pytest
import rfc8785
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import Client
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import merkle, offline, services, tasks, tiles
from identity_privacy.audit.canonical import canonical_json, entry_bytes
from identity_privacy.audit.checkpoints import check_log_name, latest_checkpoint
from identity_privacy.audit.errors import LogAltered, NotYetSequenced
from identity_privacy.audit.inserting import insert_prepared
from identity_privacy.audit.models import Checkpoint, Cosignature, Entry, Sequenced
from identity_privacy.audit.proofs import prove_inclusion
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse
from tests.conftest import triggers_lifted

pytestmark = pytest.mark.django_db

STRANGER = b64encode(bytes(32)).decode()


def enter(count: int = 1) -> list[Entry]:
    ids = [
        services.record(
            actor=Actor.service("test"),
            action="test.done",
            target=("thing", uuid4()),
            controller_id=None,
            details={"number": at},
        )
        for at in range(count)
    ]
    return [Entry.objects.get(id=entry_id) for entry_id in ids]


def test_an_entry_gets_its_place_and_a_signed_checkpoint() -> None:
    enter(3)
    assert services.sequence() == 3
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    assert checkpoint.size == 3
    assert checkpoint.note.startswith("identity-privacy.example/log\n3\n")
    assert services.sequence() == 0
    assert verify_log() == 3


def test_every_entry_is_proven_under_any_later_checkpoint() -> None:
    entries = enter(5)
    services.sequence()
    first = latest_checkpoint()
    enter(4)
    services.sequence()
    for checkpoint in (first, None):
        proof = prove_inclusion(entries[2].id, checkpoint)
        assert proof.index == 2
        assert proof.entry["id"] == str(entries[2].id)
    with pytest.raises(NotYetSequenced):
        prove_inclusion(enter()[0].id)


def test_proofs_hold_over_many_tiles() -> None:
    leaves = [offline.leaf_hash(at.to_bytes(4)) for at in range(70_000)]
    size = 0
    for part in (leaves[:1], leaves[1:255], leaves[255:256], leaves[256:300], leaves[300:66_000], leaves[66_000:]):
        tiles.append(1, size, part)
        size += len(part)
        assert merkle.root(size, tiles.TileReader(1)) == offline.Tree(leaves[:size]).root()
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        proof = merkle.inclusion_proof(index, size, tiles.TileReader(1))
        assert offline.root_of_inclusion(leaves[index], index, size, proof) == offline.Tree(leaves).root()


def test_a_proof_reads_few_rows(django_assert_max_num_queries: object) -> None:
    leaves = [offline.leaf_hash(at.to_bytes(4)) for at in range(70_000)]
    tiles.append(1, 0, leaves)
    with django_assert_max_num_queries(6):  # type: ignore[operator]  # pytest-django's fixture
        merkle.inclusion_proof(12_345, 70_000, tiles.TileReader(1))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_entry",
        "DELETE FROM audit_sequenced",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_entry SET reason = 'another'",
        "UPDATE audit_sequenced SET entry_id = entry_id",
        "UPDATE audit_checkpoint SET note = note",
    ],
)
def test_the_database_itself_refuses_to_change_the_log(statement: str) -> None:
    enter()
    services.sequence()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.only_on("postgresql")
def test_postgresql_refuses_to_truncate_the_log() -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE audit_entry CASCADE")


REPLACED = {"audit_entry": "id", "audit_sequenced": "entry_id", "audit_checkpoint": "size", "audit_cosignature": "id"}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("table", REPLACED)
@pytest.mark.parametrize("recursive_triggers", ["ON", "OFF"])
def test_sqlite_refuses_to_replace_a_row_on_whatever_connection(table: str, recursive_triggers: str) -> None:
    enter()
    services.sequence()
    Cosignature.objects.create(epoch=1, size=1, witness="one", at=clock.now(), line="")
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA recursive_triggers = {recursive_triggers}")
        try:
            for rows in ("*", f"rowid, {REPLACED[table]}"):
                columns = "" if rows == "*" else f"({rows})"
                replace = f"INSERT OR REPLACE INTO {table} {columns} SELECT {rows} FROM {table}"  # noqa: S608  # ours
                with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                    cursor.execute(replace)
        finally:
            cursor.execute("PRAGMA recursive_triggers = ON")


def test_a_changed_entry_is_named() -> None:
    entries = enter(5)
    services.sequence()
    with triggers_lifted("default"):
        Entry.objects.filter(id=entries[3].id).update(reason="another")
    with pytest.raises(LogAltered, match="entry 3 of epoch 1 was changed"):
        verify_log()


def test_a_removed_entry_is_named() -> None:
    enter(5)
    services.sequence()
    with triggers_lifted("default"):
        Sequenced.objects.filter(index=2).delete()
    with pytest.raises(LogAltered, match="entry 2 of epoch 1 is missing"):
        verify_log()


def test_a_cut_log_is_found() -> None:
    enter(5)
    services.sequence()
    with triggers_lifted("default"):
        Sequenced.objects.filter(index=4).delete()
    with pytest.raises(LogAltered, match="entry 4 of epoch 1 is missing"):
        verify_log()


def test_a_changed_checkpoint_is_found() -> None:
    enter(5)
    services.sequence()
    with triggers_lifted("default"):
        Checkpoint.objects.update(root=bytes(32))
    with pytest.raises(LogAltered):
        verify_log()


def test_an_entry_goes_with_its_transaction() -> None:
    class Undone(Exception):
        pass

    before = Entry.objects.count()

    def undone() -> None:
        with transaction.atomic():
            enter()
            raise Undone

    with pytest.raises(Undone):
        undone()
    assert Entry.objects.count() == before


def test_canonical_json_is_that_of_rfc_8785() -> None:
    entry = enter()[0]
    entry.details = {
        "text": 'ä "quoted" \\ \n \x1f €😀',
        "list": ["b", "a"],
        "yes": True,
        "none": None,
        "big": 2**53 - 1,
    }
    assert entry_bytes(entry) == rfc8785.dumps(json.loads(entry_bytes(entry)))
    assert entry_bytes(entry) == offline.canonical(json.loads(entry_bytes(entry)))


@pytest.mark.parametrize("value", [{"a": 1.5}, {"ä": 1}, {"a": [{"b": 0.1}]}])
def test_what_canonical_json_could_spell_in_two_ways_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="canonical JSON"):
        canonical_json(value)


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier as an auditor does: a program of its own with nothing of ours in reach."""
    return subprocess.run(
        [sys.executable, "-I", str(Path(offline.__file__)), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )


@pytest.fixture
def exported(tmp_path: Path) -> tuple[Path, str]:
    enter(20)
    call_command("audit", "export", tmp_path, verbosity=0)
    return tmp_path, b64encode(current_public_key(SigningUse.CHECKPOINT).public_key).decode()


def test_an_exported_log_verifies_offline(exported: tuple[Path, str]) -> None:
    folder, key = exported
    ran = verify("log", str(folder / "log.jsonl"), str(folder / "checkpoint"), "--log-key", key)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "verified")


def test_without_a_pinned_key_nothing_verifies(exported: tuple[Path, str]) -> None:
    folder, _ = exported
    ran = verify("log", str(folder / "log.jsonl"), str(folder / "checkpoint"))
    assert ran.returncode == 1
    assert "the key that you trust" in ran.stdout


def test_another_key_does_not_verify(exported: tuple[Path, str]) -> None:
    folder, _ = exported
    ran = verify(
        "log", str(folder / "log.jsonl"), str(folder / "checkpoint"), "--log-key", b64encode(bytes(32)).decode()
    )
    assert ran.returncode == 1


@pytest.mark.parametrize("damage", ["cut", "changed", "swapped", "added"])
def test_a_damaged_export_fails(exported: tuple[Path, str], damage: str) -> None:
    folder, key = exported
    lines = (folder / "log.jsonl").read_bytes().splitlines(keepends=True)
    damaged = {
        "cut": lines[:-1],
        "changed": [lines[0].replace(b"test.done", b"test.gone"), *lines[1:]],
        "swapped": [lines[1], lines[0], *lines[2:]],
        "added": [*lines, lines[0]],
    }[damage]
    (folder / "log.jsonl").write_bytes(b"".join(damaged))
    ran = verify("log", str(folder / "log.jsonl"), str(folder / "checkpoint"), "--log-key", key)
    assert ran.returncode == 1
    assert "FAILED" in ran.stdout


def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    ran = verify(
        "log", str(tmp_path / "missing"), str(tmp_path / "missing"), "--log-key", b64encode(bytes(32)).decode()
    )
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_the_published_keys_are_those_that_sign(client: Client) -> None:
    enter()
    services.sequence()
    keys = client.get("/.well-known/jwks.json").json()["keys"]
    assert any(key["kty"] == "OKP" and key["crv"] == "Ed25519" for key in keys)


def test_a_checkpoint_that_nobody_signed_is_found() -> None:
    enter(5)
    services.sequence()
    with triggers_lifted("default"):
        Checkpoint.objects.update(note="identity-privacy.example/log\n5\nAAAA\n\n— nobody AAAA\n")
    with pytest.raises(LogAltered):
        verify_log()


def test_a_checkpoint_of_another_log_does_not_verify(exported: tuple[Path, str]) -> None:
    folder, key = exported
    arguments = ("log", str(folder / "log.jsonl"), str(folder / "checkpoint"), "--log-key", key)
    assert verify(*arguments, "--origin", "identity-privacy.example/log").returncode == 0
    assert verify(*arguments, "--origin", "another.example/log").returncode == 1


def test_what_could_never_be_hashed_is_refused_when_it_is_entered() -> None:
    with pytest.raises(ValueError, match="floats"):
        services.record(
            actor=Actor.service("test"),
            action="test.done",
            target=("thing", uuid4()),
            controller_id=None,
            details={"share": 0.5},  # type: ignore[dict-item]  # what is refused
        )


@pytest.mark.only_on("postgresql")
def test_an_entry_is_stored_alike_on_either_way() -> None:
    facts: dict[str, object] = {
        "at": clock.now(),
        "actor_kind": "service",
        "actor_id": "test",
        "action": "test.done",
        "target_kind": "thing",
        "target_id": "1",
        "controller_id": uuid4(),
        "reason": "because \\ 'of' %s",
        "details": {"text": 'ä "€"', "list": ["a"], "yes": True, "count": 3},
        "leaf_hash": bytes(range(32)),
    }
    plain, prepared = Entry(**facts), Entry(**facts)
    plain.save(force_insert=True)
    insert_prepared(prepared)
    one, other = (Entry.objects.get(id=entry.id) for entry in (plain, prepared))
    assert entry_bytes(one).replace(str(one.id).encode(), str(other.id).encode()) == entry_bytes(other)
    assert (bytes(one.leaf_hash), one.written_in) == (bytes(other.leaf_hash), other.written_in)


@pytest.mark.parametrize("name", ["", "a log", "a+log", "log\n", "lög", "privacy.example/log/epoch-2", "n" * 49])
def test_a_name_that_no_checkpoint_can_be_signed_under_stops_the_start(name: str, settings: Settings) -> None:
    settings.AUDIT_LOG_ORIGIN = name
    assert [found.id for found in run_checks()] == ["identity_privacy.E103"]


def test_a_log_in_production_has_a_name_of_its_own(settings: Settings) -> None:
    assert check_log_name() == []
    settings.PRODUCTION = True
    assert [found.id for found in check_log_name()] == ["identity_privacy.E103"]
    settings.AUDIT_LOG_ORIGIN = "privacy.example.com/log"
    assert check_log_name() == []


def test_what_stands_in_the_log_gets_its_place_whatever_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    enter(3)

    def fail() -> int:
        raise OperationalError

    monkeypatch.setattr(services, "take_over_incidents", fail)
    with pytest.raises(OperationalError):
        tasks.sequence()
    assert Sequenced.objects.count() == 3
