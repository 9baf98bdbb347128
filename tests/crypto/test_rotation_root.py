"""The root key gives way to a newer one, and whatever hung on it hangs on that."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pytest_django import Settings

from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.crypto import controller_keys, providers
from identity_privacy.crypto.controller_keys import controller_key, forget_held_keys, kek
from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.models import ControllerKey, SigningKey
from identity_privacy.crypto.providers import RootKeyProvider, begin_root_rotation, write_root_key
from identity_privacy.crypto.providers.local import KeyFile
from identity_privacy.crypto.rotation import Outcome, plan_root, root, rotate_root
from identity_privacy.crypto.signing import current_public_key, sign
from identity_privacy.crypto.standing import standing
from identity_privacy.crypto.terms import SigningUse
from tests.crypto.rotated import every_value, make_people
from tests.factories import make_controller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    path = tmp_path / "root-key.json"
    settings.ROOT_KEY_URL = f"file://{path}"
    write_root_key(path)
    forget_held_keys()
    yield path
    forget_held_keys()


@pytest.fixture
def lindwerk(path: Path) -> Controller:
    controller = make_controller()
    make_people(controller, 2)
    current_public_key(SigningUse.CHECKPOINT)
    return controller


def rotate() -> Outcome:
    return rotate_root(patience=1)


def test_everything_opens_by_the_new_key_alone(lindwerk: Controller, path: Path) -> None:
    values, old = every_value(), KeyFile(path).read()
    outcome = rotate()
    assert outcome.count == ControllerKey.objects.count() + SigningKey.objects.count()
    new = KeyFile(path).read()
    assert len(new) == 1
    assert new != old
    forget_held_keys()
    assert every_value() == values
    assert len(sign(SigningUse.CHECKPOINT, b"message").signature) == 64
    assert standing().rotations == []


def test_the_dry_run_makes_no_key(lindwerk: Controller, path: Path) -> None:
    before = path.read_bytes()
    assert plan_root().total == ControllerKey.objects.count() + SigningKey.objects.count()
    assert path.read_bytes() == before


def test_it_goes_on_after_an_interruption(lindwerk: Controller, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = every_value()

    def die(verified: RootKeyProvider) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(root, "end_root_rotation", die)
    with pytest.raises(KeyboardInterrupt):
        rotate()
    monkeypatch.undo()
    assert len(KeyFile(path).read()) == 2
    assert [one.verb for one in standing().rotations] == ["rotate-root"]
    forget_held_keys()
    assert every_value() == values
    rotate()
    assert len(KeyFile(path).read()) == 1
    forget_held_keys()
    assert every_value() == values


def test_a_key_that_was_changed_keeps_the_old_root_key(lindwerk: Controller, path: Path) -> None:
    row = ControllerKey.objects.get()
    wrapped = bytes(row.wrapped)
    ControllerKey.objects.update(wrapped=wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    outcome = rotate()
    assert [one.row_id for one in outcome.unreadable] == [row.id]
    assert len(KeyFile(path).read()) == 2
    assert Entry.objects.filter(action="keys.root_rotation_unfinished").exists()
    ControllerKey.objects.update(wrapped=wrapped)
    assert not rotate().unreadable
    assert len(KeyFile(path).read()) == 1


def test_the_operator_of_a_key_in_the_environment_is_told_what_to_do(settings: Settings) -> None:
    settings.ROOT_KEY_URL = "env://"
    with pytest.raises(RootKeyUnavailable, match="ROOT_KEY_PREVIOUS"):
        rotate()
    settings.ROOT_KEY, settings.ROOT_KEY_PREVIOUS = base64.b64encode(os.urandom(32)).decode(), settings.ROOT_KEY
    assert "unset" in rotate().sentence


def test_who_read_a_row_before_and_the_root_key_after_looks_again(
    lindwerk: Controller, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, calls = controller_key(lindwerk.id), []

    def rotated_before() -> object:
        calls.append(1)
        if len(calls) == 1:
            rotate()
        return providers.provider()

    forget_held_keys()
    monkeypatch.setattr(root, "forget_held_keys", lambda: None)  # another process's, which holds nothing of ours
    monkeypatch.setattr(controller_keys, "provider", rotated_before)
    kek(row.id.bytes)
    assert len(calls) > 1


def test_a_controller_that_comes_while_it_runs_is_wrapped_anew_too(
    lindwerk: Controller, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see, late = root._opens_everything, uuid4()

    def with_a_late_one() -> RootKeyProvider:
        controller_key(late)
        return see()

    monkeypatch.setattr(root, "_opens_everything", with_a_late_one)
    rotate()
    forget_held_keys()
    kek(controller_key(late).id.bytes)  # raises where it does not open


def test_nothing_is_dropped_while_something_hangs_on_it(
    lindwerk: Controller, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root._Hanging, "is_wrapped_anew", lambda self, provider: True)
    with pytest.raises(RootKeyUnavailable, match="still hangs"):
        rotate()
    assert len(KeyFile(path).read()) == 2
    begin_root_rotation()
    monkeypatch.undo()
    rotate()
    assert len(KeyFile(path).read()) == 1
