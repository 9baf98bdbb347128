"""`manage.py keys`: what the operator types, reads and gets as exit status."""

import io
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.crypto import destruction
from identity_privacy.crypto.controller_keys import forget_held_keys
from identity_privacy.crypto.errors import NotForgotten, WritersStillRun
from identity_privacy.crypto.fields import Sealed
from identity_privacy.crypto.index_keys import forget_held_index_keys
from identity_privacy.crypto.keys import controller_secrets_key, create_data_key
from identity_privacy.crypto.management.commands import keys
from identity_privacy.crypto.models import ControllerKey, DataKey, IndexKey, Tombstone
from identity_privacy.crypto.providers import write_root_key
from identity_privacy.crypto.rotation import blind_indexes, data_keys
from identity_privacy.crypto.terms import KeyKind
from profiles.models import Attribute
from tests.crypto.rotated import every_value, half_done, make_people, own_bytes
from tests.factories import make_controller

REQUEST = UUID(int=5)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_root_key(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    settings.ROOT_KEY_URL = f"file://{tmp_path}/root-key.json"
    settings.KEK_HOLD_SECONDS = 0
    monkeypatch.setattr(blind_indexes, "LOOKUP_SECONDS", 0.0)
    write_root_key(tmp_path / "root-key.json")
    forget_held_keys()
    yield
    signal.signal(signal.SIGTERM, before)
    forget_held_keys()


@pytest.fixture
def lindwerk() -> Controller:
    controller = make_controller()
    make_people(controller, 2)
    return controller


def run(*arguments: object) -> str:
    out = io.StringIO()
    call_command("keys", *map(str, arguments), stdout=out, stderr=out)
    return out.getvalue()


def entries(action: str) -> list[Entry]:
    return list(Entry.objects.filter(action=action).order_by("id"))


def stored() -> tuple[object, ...]:
    """Everything that a change of keys changes."""
    path = Path(django_settings.ROOT_KEY_URL.removeprefix("file://"))
    return (
        path.read_bytes(),
        *(list(model.objects.order_by("id").values_list()) for model in (ControllerKey, DataKey, IndexKey, Tombstone)),
        Entry.objects.filter(action__startswith="keys.").count(),
    )


@pytest.mark.parametrize(
    ("verb", "options", "says"),
    [
        ("rotate-root", (), "1 controller keys and"),
        ("rotate-kek", (), "1 controller keys get a successor"),
        ("rotate-dek", ("--all",), "data keys get new material"),
        ("rotate-index", (), "2 blind indexes get a new key"),
        ("destroy", ("--owner", REQUEST, "--reason", "test"), "1 data keys are destroyed (1 request)"),
        ("sweep", (), "1 data keys older than 24 hours"),
    ],
)
def test_each_verb_says_what_it_would_do_and_then_does_it(
    lindwerk: Controller, verb: str, options: tuple[object, ...], says: str
) -> None:
    orphan = DataKey.objects.create(
        kind="profile",
        controller_key=ControllerKey.objects.get(),
        owner_id=uuid4(),
        wrapped=b"never opened",
        created_at=clock.now() - timedelta(days=2),
    )
    if verb != "sweep":
        orphan.delete()
    if verb == "destroy":
        create_data_key(kind=KeyKind.REQUEST, controller_id=lindwerk.id, owner_id=REQUEST)
    values, before = every_value(), stored()
    said = run(verb, *options, "--dry-run")
    assert says in said
    assert "Nothing was changed." in said
    assert stored() == before
    said = run(verb, *options, *(["--yes"] if verb == "destroy" else []))
    assert said.endswith(".\n")
    assert stored() != before
    assert every_value() == values
    assert half_done() == []


def test_status_counts_and_shows_no_key(lindwerk: Controller) -> None:
    said = run("status")
    assert "2 data keys: profile" in said.replace("        ", "")
    assert "1 controller keys" in said
    assert "the root key can be had" in said
    for row in DataKey.objects.all():
        assert bytes(row.wrapped).hex() not in said


def test_status_says_what_is_under_way_and_what_finishes_it(lindwerk: Controller) -> None:
    data_keys._begin(list(DataKey.objects.values_list("id", flat=True)))
    IndexKey.objects.update(version=2)
    ControllerKey.objects.update(retired_at=clock.now())
    said = run("status")
    assert "2 data keys have new material" in said
    assert "`keys rotate-dek --resume` finishes it" in said
    assert "`keys rotate-kek` finishes it" in said


def test_status_fails_where_the_root_key_cannot_be_had(lindwerk: Controller, settings: Settings) -> None:
    settings.ROOT_KEY_URL = "file:///nowhere/root-key.json"
    with pytest.raises(CommandError, match="the root key cannot be had"):
        run("status")


def test_destroying_asks_first_and_names_the_day_on_which_the_last_backup_ends(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = DataKey.objects.values_list("subject_id", flat=True).first()
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    with pytest.raises(CommandError, match="nothing was destroyed"):
        run("destroy", "--subject", person, "--reason", "by court order")
    assert DataKey.objects.filter(subject_id=person).exists()
    monkeypatch.setattr("builtins.input", lambda prompt: "destroy")
    said = run("destroy", "--subject", person, "--reason", "by court order")
    ends_on = clock.now().date() + timedelta(days=django_settings.KEYS_BACKUP_DAYS)
    assert f"expires on {ends_on:%d %B %Y}" in said
    assert not DataKey.objects.filter(subject_id=person).exists()
    told = Entry.objects.filter(action__startswith="keys.destr").order_by("id")
    assert [(entry.action, entry.reason, entry.subject_id) for entry in told] == [
        ("keys.destruction_begun", "by court order", person),
        ("keys.destroyed", "by court order", person),
    ]
    assert f"still holds one that was destroyed or replaced expires on {ends_on:%d %B %Y}" in run("status")


def test_what_is_destroyed_by_a_requests_id_is_named_and_is_all_that_is(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets, request = controller_secrets_key(lindwerk.id), uuid4()
    create_data_key(kind=KeyKind.REQUEST, controller_id=lindwerk.id, owner_id=request)
    profile = DataKey.objects.filter(kind=KeyKind.PROFILE).first()
    assert profile is not None
    for owner in (lindwerk.id, profile.owner_id):
        with pytest.raises(CommandError, match=f"nothing to destroy: there is no key of --owner={owner}"):
            run("destroy", "--owner", owner, "--reason", "test", "--yes")
    assert "(1 request)" in run("destroy", "--owner", request, "--reason", "test", "--dry-run")
    run("destroy", "--owner", request, "--reason", "test", "--yes")
    assert DataKey.objects.filter(id__in=[secrets, profile.id]).count() == 2
    assert not DataKey.objects.filter(owner_id=request).exists()


def test_status_says_which_destruction_is_not_finished_and_what_finishes_it(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_yet(*_: object, **__: object) -> float:
        raise NotForgotten("somebody reads")

    person = DataKey.objects.values_list("subject_id", flat=True).first()
    with monkeypatch.context() as held_up:
        held_up.setattr(destruction, "_rewrite", not_yet)
        held_up.setattr(destruction, "_truncate_log", not_yet)
        with pytest.raises(CommandError, match=r"not finished: .*somebody reads; run this again, or leave it to"):
            run("destroy", "--subject", person, "--reason", "test", "--yes")
        with pytest.raises(CommandError, match="run this again"):
            run("destroy", "--subject", person, "--reason", "test", "--yes")
    said = run("status")
    assert "1 of them not yet overwritten" in said
    assert "the file of crypto_datakey may still hold such keys; `keys sweep` ends it" in said
    assert [entry.details["keys"] for entry in entries("keys.destruction_unfinished")] == [1, 0]
    assert "1 data keys were destroyed" in run("destroy", "--subject", person, "--reason", "test", "--yes")
    assert [entry.details["keys"] for entry in entries("keys.destroyed")] == [1], "in all tries"
    assert "not finished" not in run("status")


def test_a_destruction_by_hand_names_the_rows_that_stay_and_by_which_the_person_is_still_found(
    lindwerk: Controller,
) -> None:
    person = DataKey.objects.values_list("subject_id", flat=True).first()
    assert person is not None
    attributes = Attribute.objects.filter(profile_id=person).count()
    for option in ("--dry-run", "--yes"):
        said = run("destroy", "--subject", person, "--reason", "test", option)
        assert f"{attributes} in profiles.attribute" in said
        assert "the person is still found" in said
        assert "an erasure request takes these away" in said


def test_the_account_that_ran_it_stands_in_the_log(lindwerk: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "operator7")
    run("rotate-kek")
    assert {entry.details["account"] for entry in Entry.objects.filter(action__startswith="keys.")} == {"operator7"}

    def nameless() -> str:
        raise OSError("no such account")

    monkeypatch.setattr("getpass.getuser", nameless)
    run("rotate-root")
    assert entries("keys.root_rotated")[0].details["account"] == str(os.getuid())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (EOFError(), "nothing was destroyed: nobody is there to ask; say --yes"),
        (KeyboardInterrupt(), "^nothing was destroyed$"),
    ],
)
def test_where_nobody_answers_nothing_is_destroyed(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, answer: BaseException, says: str
) -> None:
    def ask(prompt: str) -> str:
        raise answer

    monkeypatch.setattr("builtins.input", ask)
    person, before = DataKey.objects.values_list("subject_id", flat=True).first(), stored()
    with pytest.raises(CommandError, match=says):
        run("destroy", "--subject", person, "--reason", "test")
    assert stored() == before


def test_a_destruction_that_was_stopped_does_not_say_that_nothing_is_lost(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(destruction, "_forget", stopped)
    person = DataKey.objects.values_list("subject_id", flat=True).first()
    with pytest.raises(CommandError, match="what was destroyed stays so, and the same command goes on from here"):
        run("destroy", "--subject", person, "--reason", "test", "--yes")
    monkeypatch.undo()
    assert "1 data keys were destroyed" in run("destroy", "--subject", person, "--reason", "test", "--yes")


@pytest.mark.parametrize(
    "arguments",
    [
        ("rotate-dek", "--subject", uuid4()),
        ("rotate-dek", "--owner", uuid4()),
        ("rotate-dek", "--controller", uuid4()),
        ("rotate-dek", "--resume", "--controller", uuid4()),
        ("rotate-kek", "--controller", uuid4()),
        ("rotate-index", "--kind", "shoe size"),
        ("rotate-index", "--controller", uuid4()),
        ("destroy", "--subject", uuid4(), "--reason", "test", "--yes"),
        ("destroy", "--owner", uuid4(), "--reason", "test", "--yes"),
    ],
    ids=lambda arguments: " ".join(str(one) for one in arguments[:2]),
)
def test_an_id_that_names_no_key_is_refused_and_nothing_is_written(
    lindwerk: Controller, arguments: tuple[object, ...]
) -> None:
    before = stored()
    for more in ((), ("--dry-run",)):
        with pytest.raises(CommandError, match="there is no key of --"):
            run(*arguments, *more)
    assert stored() == before


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_a_patience_that_is_no_time_is_refused(lindwerk: Controller, seconds: str) -> None:
    before = stored()
    with pytest.raises(CommandError, match="patience"):
        run("rotate-kek", f"--patience={seconds}")
    with pytest.raises(CommandError, match="patience"):
        run("destroy", "--owner", REQUEST, "--reason", "test", "--patience=60")  # it waits for nobody's data
    assert stored() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("status",), "no root key that there is opens the key of controller"),
        (("rotate-root",), "open under no key that there is"),
        (("rotate-kek",), "restore the one before it"),
        (("rotate-dek", "--all"), "either ROOT_KEY_URL names the root key of other databases, or"),
        (("rotate-index",), "either ROOT_KEY_URL names the root key of other databases, or"),
    ],
)
def test_another_databases_root_key_is_named_as_what_to_look_at(
    lindwerk: Controller, tmp_path: Path, settings: Settings, arguments: tuple[str, ...], says: str
) -> None:
    settings.ROOT_KEY_URL = f"file://{tmp_path}/other.json"
    write_root_key(tmp_path / "other.json")
    forget_held_keys()
    forget_held_index_keys()
    with pytest.raises(CommandError, match=says):
        run(*arguments)


def test_a_key_that_does_not_open_is_named_as_what_it_is(lindwerk: Controller) -> None:
    key = IndexKey.objects.first()
    assert key is not None
    IndexKey.objects.filter(id=key.id).update(wrapped=b"\x01" + bytes(60))
    out = io.StringIO()
    with pytest.raises(CommandError, match="open under no key"):
        call_command("keys", "rotate-kek", stdout=out, stderr=out)
    assert f"does not open: crypto.indexkey {key.id}\n" in out.getvalue()


def test_whose_keys_must_be_said(lindwerk: Controller) -> None:
    with pytest.raises(CommandError, match="--subject, --owner, --controller, --all"):
        run("rotate-dek")
    with pytest.raises(CommandError, match="--subject, --owner"):
        run("destroy", "--reason", "test", "--subject", uuid4(), "--owner", uuid4())


def test_what_does_not_open_is_listed_and_the_command_fails(lindwerk: Controller) -> None:
    row = Attribute.objects.first()
    assert row is not None
    Attribute._base_manager.filter(id=row.id).update(value=Sealed(b"\x01" + bytes(40)))
    out = io.StringIO()
    with pytest.raises(CommandError, match="restored from a backup or erased"):
        call_command("keys", "rotate-dek", "--all", stdout=out, stderr=out)
    assert f"does not open: profiles.attribute.value of row {row.id} under data key {row.data_key_id}" in out.getvalue()
    assert "1 data keys were rotated" in out.getvalue(), "the other person's"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (WritersStillRun("a long one"), "nothing is lost: a long one; `manage.py keys rotate-kek` goes on"),
        (NotForgotten("a reader"), "not finished: .*: a reader; `manage.py keys sweep` finishes it"),
    ],
)
def test_what_is_not_finished_says_so(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(keys, "rotate_kek", fail)
    with pytest.raises(CommandError, match=says):
        run("rotate-kek")


def test_whom_a_rotation_waited_for_in_vain_is_said_with_the_command_that_goes_on(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def still_run(seconds: float) -> None:
        raise WritersStillRun("a long one")

    monkeypatch.setattr(data_keys, "wait_for_writers", still_run)
    again = f"rotate-dek --controller={lindwerk.id} --resume"
    with pytest.raises(CommandError, match=f"a long one; `manage.py keys {again}` goes on from here"):
        run("rotate-dek", "--controller", lindwerk.id)
    monkeypatch.undo()
    run(*again.split())
    assert half_done() == []


@pytest.mark.parametrize("scope", [(), ("--all",)])
def test_where_nothing_was_interrupted_nothing_is_resumed(lindwerk: Controller, scope: tuple[str, ...]) -> None:
    before = stored()
    assert "nothing to resume" in run("rotate-dek", *scope, "--resume", "--dry-run")
    assert "nothing to resume" in run("rotate-dek", *scope, "--resume")
    assert stored() == before


def test_being_stopped_leaves_everything_readable_and_says_how_to_go_on(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, before = every_value(), own_bytes()
    finish = data_keys._finish

    def stopped(*arguments: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return finish(*arguments)  # type: ignore[arg-type]  # never reached

    monkeypatch.setattr(data_keys, "_finish", stopped)
    with pytest.raises(CommandError, match="rotate-dek --resume` goes on from here"):
        run("rotate-dek", "--all")
    monkeypatch.undo()
    assert every_value() == values
    assert DataKey.objects.exclude(previous=None).count() == 2
    run("rotate-dek", "--resume")
    assert every_value() == values
    assert half_done() == []
    assert not set(own_bytes().values()) & set(before.values())
