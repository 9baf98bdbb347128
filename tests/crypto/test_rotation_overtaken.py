"""A rotation that stood still, and lost its place meanwhile, takes nothing from the one that went on without it."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from django.db import connections
from pytest_django import Settings

from identity_privacy.access.models import Controller
from identity_privacy.crypto.controller_keys import forget_held_keys
from identity_privacy.crypto.errors import RotationRuns
from identity_privacy.crypto.index_keys import forget_held_index_keys
from identity_privacy.crypto.providers import RootKeyProvider, begin_root_rotation, write_root_key
from identity_privacy.crypto.providers.local import KeyFile
from identity_privacy.crypto.rotation import (
    Whose,
    blind_indexes,
    controllers,
    data_keys,
    root,
    rotate_dek,
    rotate_index,
    rotate_kek,
    rotate_root,
)
from identity_privacy.crypto.router import KEYS
from profiles.models import Identifier
from tests.crypto.rotated import every_value, found, make_people
from tests.factories import make_controller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_wait(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KEK_HOLD_SECONDS = 0
    monkeypatch.setattr(blind_indexes, "LOOKUP_SECONDS", 0.0)


@pytest.fixture
def lindwerk() -> Controller:
    forget_held_index_keys()
    return make_controller()


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, others: Callable[[], object], *, call: int = 1
) -> None:
    """Let others work right before the first rotation takes this step, and not before those of others."""
    original: Callable[..., object] = getattr(owner, name)
    calls = 0

    def stood_still(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            others()
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, stood_still)


def test_the_next_root_key_is_not_dropped_with_what_hangs_on_it(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "root-key.json"
    settings.ROOT_KEY_URL = f"file://{path}"
    write_root_key(path)
    forget_held_keys()
    make_people(make_controller(), 1)
    values = every_value()

    see = root._opens_everything

    def another_rotates_and_begins_the_next() -> RootKeyProvider:
        verified = see()
        with monkeypatch.context() as patched:
            patched.setattr(root, "_opens_everything", see)
            rotate_root(patience=1)
        begin_root_rotation()
        return verified

    with monkeypatch.context() as patched:
        patched.setattr(root, "_opens_everything", another_rotates_and_begins_the_next)
        with pytest.raises(RotationRuns, match="further"):
            rotate_root(patience=1)
    assert len(KeyFile(path).read()) == 2
    forget_held_keys()
    assert every_value() == values
    rotate_root(patience=1)
    assert len(KeyFile(path).read()) == 1
    forget_held_keys()
    assert every_value() == values
    forget_held_keys()


@pytest.mark.parametrize("step", ["_is_filled", "_take_over", "_clear"])
def test_a_rotation_of_indexes_changes_nothing_of_the_next_one(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    people = make_people(lindwerk, 2)

    def dies() -> None:
        raise KeyboardInterrupt

    def another_ends_and_the_next_is_half_done() -> None:
        rotate_index(patience=1)
        with monkeypatch.context() as patched:
            patched.setattr(blind_indexes._Rotation, "_wait_for_lookups", lambda *_: dies())
            with pytest.raises(KeyboardInterrupt):
                rotate_index(patience=1)

    # An ordinary rotation clears twice: first, for nothing, what one that was interrupted had left.
    call = 2 if step == "_clear" else 1
    meanwhile(monkeypatch, blind_indexes._Rotation, step, another_ends_and_the_next_is_half_done, call=call)
    with pytest.raises(RotationRuns):
        rotate_index(patience=1)
    assert Identifier.objects.filter(next_index=None).count() == 0
    assert [found(lindwerk, number) for number in range(2)] == [[person] for person in people]
    rotate_index(patience=1)
    assert [found(lindwerk, number) for number in range(2)] == [[person] for person in people]


def test_a_rotation_of_indexes_ends_only_its_own(lindwerk: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    people = make_people(lindwerk, 2)

    def dies() -> None:
        raise KeyboardInterrupt

    def another_ends_and_the_next_is_about_to_take_over() -> None:
        rotate_index(patience=1)
        with monkeypatch.context() as patched:
            patched.setattr(blind_indexes._Rotation, "_take_over", lambda *_: dies())
            with pytest.raises(KeyboardInterrupt):
                rotate_index(patience=1)

    meanwhile(monkeypatch, blind_indexes, "_end", another_ends_and_the_next_is_about_to_take_over)
    with pytest.raises(RotationRuns):
        rotate_index(patience=1)
    assert [found(lindwerk, number) for number in range(2)] == [[person] for person in people]


# --- A session that was lost --------------------------------------------------------------------------

VERBS: dict[str, tuple[Callable[[], object], object, str]] = {
    "root": (lambda: rotate_root(patience=1), root, "_opens_everything"),
    "kek": (lambda: rotate_kek(patience=1), controllers, "wait_for_key_makers"),
    "dek": (lambda: rotate_dek(Whose.everybody(), patience=1), data_keys, "_is_ended"),
    "index": (lambda: rotate_index(patience=1), blind_indexes, "_end"),
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("reconnects", [False, True], ids=["broken", "reconnected"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_rotation_whose_session_ended_stops_before_its_next_step(
    lindwerk: Controller,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    reconnects: bool,
) -> None:
    settings.ROOT_KEY_URL = f"file://{tmp_path}/root-key.json"
    write_root_key(tmp_path / "root-key.json")
    forget_held_keys()
    make_people(lindwerk, 1)
    values = every_value()
    rotate, owner, step = VERBS[verb]

    def the_server_ends_it() -> None:
        connection = connections[KEYS]
        with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
        if reconnects:
            connection.close()

    meanwhile(monkeypatch, owner, step, the_server_ends_it)
    with pytest.raises(RotationRuns, match="lost"):
        rotate()
    connections[KEYS].close()
    forget_held_keys()
    assert every_value() == values
    rotate()
    forget_held_keys()
    assert every_value() == values
    forget_held_keys()
