"""`manage.py keys`: what the operator types, reads and gets as exit status."""

import io
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

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
from identity_privacy.crypto.keys import controller_secrets_key, create_data_key
from identity_privacy.crypto.management.commands import keys
from identity_privacy.crypto.models import ControllerKey, DataKey, IndexKey, Tombstone
from identity_privacy.crypto.providers import write_root_key
from identity_privacy.crypto.rotation import blind_indexes, data_keys
from identity_privacy.crypto.terms import KeyKind
from profiles.models import Attribute
from tests.crypto.rotated import every_value, half_done, make_people, own_bytes
from tests.factories import make_controller

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
        ("destroy", ("--owner", uuid4(), "--reason", "test"), "0 data keys are destroyed"),
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
    entries = Entry.objects.filter(action__startswith="keys.destr").order_by("id")
    assert [(entry.action, entry.reason, entry.subject_id) for entry in entries] == [
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
    for owner, says in (
        (lindwerk.id, "0 data keys are"),
        (profile.owner_id, "0 data keys are"),
        (request, "(1 request)"),
    ):
        assert says in run("destroy", "--owner", owner, "--reason", "test", "--dry-run")
        run("destroy", "--owner", owner, "--reason", "test", "--yes")
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
        with pytest.raises(CommandError, match="not finished, nothing is lost: somebody reads"):
            run("destroy", "--subject", person, "--reason", "test", "--yes")
    said = run("status")
    assert "1 of them not yet overwritten" in said
    assert "the file of crypto_datakey may still hold such keys; `keys sweep` ends it" in said
    run("sweep")
    assert "not finished" not in run("status")


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


@pytest.mark.parametrize("error", [WritersStillRun("a long one"), NotForgotten("a reader")])
def test_what_is_not_finished_says_so(lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(keys, "rotate_kek", fail)
    with pytest.raises(CommandError, match="not finished, nothing is lost: a"):
        run("rotate-kek")


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
    run("rotate-dek", "--all", "--resume")
    assert every_value() == values
    assert half_done() == []
    assert not set(own_bytes().values()) & set(before.values())
