"""Nothing of a destroyed or replaced key is left in the files of PostgreSQL's keys database."""

import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction
from django.db.models import Model

from identity_privacy.crypto import destruction
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import NotForgotten
from identity_privacy.crypto.keys import create_data_keys
from identity_privacy.crypto.models import ControllerKey, DataKey
from identity_privacy.crypto.rotation import Whose, rotate_dek, rotate_kek
from identity_privacy.crypto.terms import KeyKind

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgresql")]

CONTROLLER = UUID(int=9)


def make_keys(count: int) -> list[UUID]:
    people = [uuid4() for _ in range(count)]
    create_data_keys(kind=KeyKind.PROFILE, controller_id=CONTROLLER, owners=[(one, one) for one in people])
    return people


def wrapped(person: UUID) -> bytes:
    return bytes(DataKey.objects.get(subject_id=person).wrapped)


def in_file(some: bytes, model: type[Model] = DataKey) -> bool:
    """Whether these bytes stand in the table's file, as it is after a checkpoint."""
    with connections["keys"].cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_read_binary_file(pg_relation_filepath(%s))", [model._meta.db_table])
        (content,) = cursor.fetchone()
    return some in bytes(content)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 3), (3, 0), (3, 3), (300, 0), (300, 300)])
def test_nothing_of_a_destroyed_key_is_left_in_the_tables_file(before: int, after: int) -> None:
    make_keys(before)
    (alice,) = make_keys(1)
    make_keys(after)
    key = wrapped(alice)
    assert in_file(key)
    destroy_subject_keys(alice)
    assert not in_file(key)


def test_what_a_large_table_keeps_opens_under_nothing_after_its_controllers_key_was_rotated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_keys(3)
    kek = bytes(ControllerKey.objects.get().wrapped)
    monkeypatch.setattr(destruction, "REWRITTEN_BYTES", 8192)
    make_keys(300)
    (alice,) = make_keys(1)
    destroy_subject_keys(alice)
    rotate_kek(patience=1)
    assert not in_file(kek, ControllerKey)


@pytest.mark.parametrize("rotate", [lambda: rotate_dek(Whose.everybody(), patience=1), lambda: rotate_kek(patience=1)])
def test_nothing_of_a_replaced_key_is_left_in_the_tables_file(rotate: Callable[[], object]) -> None:
    people = make_keys(30)
    keys = [wrapped(person) for person in people]
    rotate()
    assert not any(in_file(key) for key in keys)


def test_while_somebody_still_sees_the_key_it_is_not_called_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destruction, "PATIENCE_SECONDS", 0.1)
    (alice,) = make_keys(1)
    key, has_begun, may_end = wrapped(alice), threading.Event(), threading.Event()

    def back_up() -> None:
        with transaction.atomic(using="keys"):
            connections["keys"].cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            DataKey.objects.count()
            has_begun.set()
            may_end.wait(10)
        connections.close_all()

    backup = threading.Thread(target=back_up)
    backup.start()
    assert has_begun.wait(10)
    with pytest.raises(NotForgotten):
        destroy_subject_keys(alice)
    assert in_file(key)
    may_end.set()
    backup.join()
    destroy_subject_keys(alice)
    assert not in_file(key)
