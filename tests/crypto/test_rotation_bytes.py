"""Nothing of a destroyed or replaced key is left in the files of PostgreSQL's keys database."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connections, transaction
from django.db.models import Model

from identity_privacy.crypto import destruction
from identity_privacy.crypto.destruction import check_tables_owner, destroy_subject_keys
from identity_privacy.crypto.errors import NotForgotten
from identity_privacy.crypto.keys import create_data_keys
from identity_privacy.crypto.models import DataKey, Tombstone
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


def test_a_large_table_is_written_anew_too_but_seldom_and_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    make_keys(300)
    alice, bob, charlie = make_keys(3)
    keys = [wrapped(person) for person in (alice, bob, charlie)]
    monkeypatch.setattr(destruction, "SMALL_BYTES", 8192)
    monkeypatch.setattr(destruction, "REST_FACTOR", 1_000_000)
    destroy_subject_keys(alice)
    assert not in_file(keys[0])
    for person in (bob, charlie):
        with pytest.raises(NotForgotten, match="again in"):
            destroy_subject_keys(person)
    assert Tombstone.objects.filter(forgotten_at=None).count() == 2
    monkeypatch.setattr(destruction, "REST_FACTOR", 0)
    destroy_subject_keys(bob)
    assert not any(in_file(key) for key in keys)
    assert not Tombstone.objects.filter(forgotten_at=None).exists()


def test_a_rotation_is_not_held_up_by_an_erasure_just_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    people = make_keys(300)
    monkeypatch.setattr(destruction, "SMALL_BYTES", 8192)
    monkeypatch.setattr(destruction, "REST_FACTOR", 1_000_000)
    destroy_subject_keys(people[0])
    key = wrapped(people[1])
    rotate_kek(patience=1)
    assert not in_file(key)


def test_while_somebody_writes_who_began_before_it_is_not_called_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destruction, "PATIENCE_SECONDS", 0.1)
    people = make_keys(30)
    keys = [wrapped(person) for person in people]
    with another() as writer:
        writer.execute("BEGIN")
        writer.execute("SELECT pg_current_xact_id()")  # READ COMMITTED and idle: an id, and no snapshot
        with pytest.raises(NotForgotten):
            destroy_subject_keys(people[0])
        writer.execute("ROLLBACK")
    destroy_subject_keys(people[0])
    assert not in_file(keys[0])


def test_a_role_that_does_not_own_the_tables_is_told_and_destroys_nothing_by_half() -> None:
    (alice,) = make_keys(1)
    key = wrapped(alice)
    assert check_tables_owner(databases=["keys"]) == []
    with as_another_role():
        assert {finding.id for finding in check_tables_owner(databases=["keys"])} == {"identity_privacy.E013"}
        with pytest.raises(NotForgotten, match="own the tables"):
            destroy_subject_keys(alice)
        assert Tombstone.objects.filter(subject_id=alice, forgotten_at=None).exists()
    destroy_subject_keys(alice)
    assert not in_file(key)


def test_an_ordinary_role_sees_who_still_sees_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destruction, "PATIENCE_SECONDS", 0.1)
    (alice,) = make_keys(1)
    with another() as backup, as_another_role():
        backup.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        backup.execute("SELECT count(*) FROM crypto_datakey")
        with connections["keys"].cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
            (following,) = cursor.fetchone()
            DataKey.objects.filter(subject_id=alice).delete()
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
            (after,) = cursor.fetchone()
            assert after != following
            assert destruction._holders(cursor, after) == 1
        backup.execute("ROLLBACK")


@contextlib.contextmanager
def another() -> Iterator[psycopg.Connection]:
    """A session beside ours in the keys database."""
    ours = connections["keys"].connection
    with psycopg.connect(ours.info.dsn, autocommit=True) as session:
        yield session


@contextlib.contextmanager
def as_another_role() -> Iterator[None]:
    """As a role that may use the tables and owns none."""
    name = f"plain_{uuid4().hex}"
    with connections["keys"].cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name}")
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        cursor.execute(f"SET SESSION AUTHORIZATION {name}")
        try:
            yield
        finally:
            cursor.execute("RESET SESSION AUTHORIZATION")
            cursor.execute(f"DROP OWNED BY {name}")
            cursor.execute(f"DROP ROLE {name}")


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
