"""The log as files: what each choice gives out, that the auditor's verifier takes it, and what it must not hold."""

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.models import Entry, Sequenced
from tests.audit.epochs import open_next_epoch
from tests.audit.verifier import log_key, verify
from tests.audit.witnessed import WITNESS, cosigned, newest
from tests.conftest import triggers_lifted
from tests.factories import make_controller

pytestmark = pytest.mark.django_db


@pytest.fixture
def lindwerk() -> Controller:
    return make_controller()


@pytest.fixture
def seeblick() -> Controller:
    return make_controller("seeblick", "Seeblick", "seeblick.localhost")


def enter(
    controller: Controller | None, *, subject: UUID | None = None, about: str = "thing", request: UUID | None = None
) -> UUID:
    return services.record(
        actor=Actor.service("test"),
        action="test.done",
        target=(about, request if about == "request" and request else uuid4()),
        controller_id=controller.id if controller else None,
        subject_id=subject,
        details={"request": str(request)} if request else {},
    )


def export(folder: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("audit", "export", folder, *options, stdout=out)
    return out.getvalue()


def lines_of(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def verified(*arguments: str | Path) -> bool:
    ran = verify(*map(str, arguments), "--log-key", log_key())
    return (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "verified")


def proven_ids(folder: Path) -> list[str]:
    assert verified("proofs", folder / "proofs.jsonl", folder / "checkpoint")
    return [str(line["entry"]["id"]) for line in lines_of(folder / "proofs.jsonl")]


def test_one_controllers_view_holds_nothing_of_the_others_but_hashes(
    tmp_path: Path, lindwerk: Controller, seeblick: Controller
) -> None:
    own = [enter(lindwerk, subject=uuid4()) for _ in range(3)]
    for controller in (seeblick, None):
        enter(controller, subject=uuid4())
    export(tmp_path, "--controller", "lindwerk")

    assert verified("log", tmp_path / "log.jsonl", tmp_path / "checkpoint")
    told = [line for line in lines_of(tmp_path / "log.jsonl") if list(line) != ["leaf"]]
    assert {str(line["controller"]) for line in told} == {str(lindwerk.id)}
    assert {str(one) for one in own} <= {str(line["id"]) for line in told}
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for entry in Entry.objects.exclude(controller_id=lindwerk.id):
        for value in (entry.id, entry.subject_id, entry.target_id):
            assert value is None or entry.target_kind == "log" or str(value).encode() not in written


def test_one_persons_entries_come_each_with_its_proof(tmp_path: Path, lindwerk: Controller) -> None:
    person = uuid4()
    about = [enter(lindwerk, subject=person) for _ in range(2)]
    enter(lindwerk, subject=uuid4())
    export(tmp_path, "--subject", str(person))
    exported = Entry.objects.get(action="log.exported")
    assert proven_ids(tmp_path) == [*map(str, about), str(exported.id)]
    assert (exported.subject_id, exported.controller_id) == (person, lindwerk.id)


def test_a_requests_entries_are_those_of_its_tasks_too(tmp_path: Path, lindwerk: Controller) -> None:
    person, request = uuid4(), uuid4()
    itself = enter(lindwerk, subject=person, about="request", request=request)
    task = enter(lindwerk, subject=person, about="task", request=request)
    enter(lindwerk, subject=person, about="task", request=uuid4())
    export(tmp_path, "--request", str(request))
    assert proven_ids(tmp_path)[:2] == [str(itself), str(task)]
    assert {line["entry"]["action"] for line in lines_of(tmp_path / "proofs.jsonl")[2:]} <= {"log.exported"}


def test_what_came_since_a_day_comes_with_the_proof_of_growth(tmp_path: Path, lindwerk: Controller) -> None:
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False):
        old = enter(lindwerk)
        services.sequence()
    new = enter(lindwerk)
    export(tmp_path, "--since", "2026-03-02")
    assert str(new) in proven_ids(tmp_path)
    assert str(old) not in proven_ids(tmp_path)
    assert verified("growth", tmp_path / "older-checkpoint", tmp_path / "checkpoint", tmp_path / "growth.json")


def test_one_that_is_missing_since_a_day_is_named(tmp_path: Path, lindwerk: Controller) -> None:
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False):
        enter(lindwerk)
        services.sequence()
    new = enter(lindwerk)
    services.sequence()
    with triggers_lifted("default"):
        Entry.objects.filter(id=new).delete()
    with pytest.raises(CommandError, match="the log was changed: entry 1 of epoch 1 is missing"):
        export(tmp_path / "export", "--since", "2026-03-02")
    assert not (tmp_path / "export").exists()


def test_each_epoch_is_exported_and_verified_apart(tmp_path: Path, lindwerk: Controller) -> None:
    enter(lindwerk)
    services.sequence()
    held = tmp_path / "held"
    held.write_text(open_next_epoch())
    export(tmp_path / "all")
    export(tmp_path / "first", "--epoch", "1")

    newer, older = tmp_path / "all", tmp_path / "all" / "epoch-1"
    assert verified("log", newer / "log.jsonl", newer / "checkpoint", "--previous", held)
    assert verified("log", older / "log.jsonl", older / "checkpoint")
    assert (older / "log.jsonl").read_bytes() == (tmp_path / "first" / "log.jsonl").read_bytes()


def test_an_export_that_a_witness_vouches_for_ends_where_it_cosigned(
    tmp_path: Path, lindwerk: Controller, settings: Settings
) -> None:
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]
    enter(lindwerk)
    services.sequence()
    services.accept_cosignature(note=cosigned(newest()))
    export(tmp_path, "--cosigned")
    assert verified("log", tmp_path / "log.jsonl", tmp_path / "checkpoint", "--witness", str(WITNESS.verifier))
    assert len(lines_of(tmp_path / "log.jsonl")) < Sequenced.objects.count()


@pytest.mark.parametrize("option", ["--subject", "--request"])
def test_whoever_is_not_in_the_log_is_said_to_be_so_and_nothing_is_written(tmp_path: Path, option: str) -> None:
    with pytest.raises(CommandError, match="there is no such entry"):
        export(tmp_path / "export", option, str(uuid4()))
    assert not (tmp_path / "export").exists()
    with pytest.raises(CommandError, match="there is no controller nobody"):
        export(tmp_path / "export", "--controller", "nobody")


def test_an_export_goes_into_a_folder_of_its_own_and_takes_nothing_from_another(
    tmp_path: Path, lindwerk: Controller
) -> None:
    enter(lindwerk)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CommandError, match="is not empty: what is written there would lie among what is there"):
        export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".log.jsonl.partial").write_text("of one that was killed")
    export(tmp_path / "killed")
    assert verified("log", tmp_path / "killed" / "log.jsonl", tmp_path / "killed" / "checkpoint")


def test_what_cannot_be_exported_is_said_and_is_not_in_the_log_as_done(tmp_path: Path, lindwerk: Controller) -> None:
    enter(lindwerk)
    (tmp_path / "file").write_text("")
    for folder, options, words in (
        (tmp_path / "a", ["--epoch", "77"], "there is nothing to export: no such epoch"),
        (tmp_path / "a", ["--cosigned"], "or none that a witness has cosigned"),
        (tmp_path / "a", ["--controller", ""], "there is no controller"),
        (tmp_path / "a", ["--epoch", "99999999999999999999"], "the number of an epoch, from 1, not"),
        (tmp_path / "a", ["--epoch", "-3"], "the number of an epoch, from 1, not '-3'"),
        (tmp_path / "a", ["--since", "2026-13-01"], "a date as 2027-01-01, not '2026-13-01'"),
        (tmp_path / "a", ["--since", "0001-01-01"], "a date since 1970-01-01"),
        (tmp_path / "file", [], "cannot be written: File exists"),
        (tmp_path / "file" / "below", [], "cannot be written: Not a directory"),
        (tmp_path / ("a" * 300), [], "cannot be written: File name too long"),
        (Path("/proc/nope"), [], "cannot be written: No such file"),
    ):
        with pytest.raises(CommandError, match=words):
            export(folder, *options)
    with pytest.raises(CommandError, match="name a folder"):
        call_command("audit", "export", "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not Entry.objects.filter(action="log.exported").exists()


def test_who_exported_what_stands_in_the_log_and_in_the_export_itself(tmp_path: Path, lindwerk: Controller) -> None:
    enter(lindwerk)
    export(tmp_path)
    last = lines_of(tmp_path / "log.jsonl")[-1]
    assert (last["action"], last["actor"]) == ("log.exported", {"kind": "service", "id": "audit"})


def test_the_files_are_their_accounts_alone(tmp_path: Path, lindwerk: Controller) -> None:
    enter(lindwerk)
    export(tmp_path / "export")
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "export", *(tmp_path / "export").iterdir())} == {0}
