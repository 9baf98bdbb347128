"""The log is kept by quarters, each of which refuses changes as the whole does."""

from datetime import date
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from uuid_utils.compat import uuid7

from identity_privacy.actors import Actor
from identity_privacy.audit.partitions import AHEAD, Quarter, check_partitions, first_id_on, this_quarter
from identity_privacy.audit.services import record

THIS_QUARTER = this_quarter()


@given(st.dates(min_value=date(1970, 1, 1), max_value=date(2400, 1, 1)))
def test_every_day_is_in_one_quarter(day: date) -> None:
    quarter = Quarter.of(day)
    assert quarter.begins_on <= day < quarter.ends_before
    assert Quarter.of(quarter.ends_before) == list(quarter.following(2))[1]


def test_an_id_of_today_is_within_todays_bounds() -> None:
    assert first_id_on(THIS_QUARTER.begins_on) < uuid7() < first_id_on(THIS_QUARTER.ends_before)


def test_a_moved_clock_does_not_move_the_quarter_of_ids(settings: Settings) -> None:
    settings.CLOCK_OFFSET_SECONDS = 366 * 86_400
    assert this_quarter() == THIS_QUARTER


def enter() -> UUID:
    return record(actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=None)


def partition_of(entry_id: UUID) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM audit_entry WHERE id = %s", [entry_id])
        return str(cursor.fetchone()[0])


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db
def test_an_entry_goes_into_its_quarter() -> None:
    assert partition_of(enter()) == f"audit_entry_{THIS_QUARTER}"


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db
@pytest.mark.parametrize("partition", [f"audit_entry_{THIS_QUARTER}", "audit_entry_default"])
@pytest.mark.parametrize("statement", ["DELETE FROM", "TRUNCATE", "UPDATE"])
def test_a_partition_cannot_be_changed_either(partition: str, statement: str) -> None:
    enter()
    change = f"{statement} {partition}" + (" SET reason = 'another'" if statement == "UPDATE" else "")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db
def test_a_quarter_that_was_not_made_is_named_made_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    last = list(THIS_QUARTER.following(AHEAD))[-1]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE audit_entry_{last}")
        call_command("audit", "partitions")
        assert f"made: {last}" in capsys.readouterr().out
        assert check_partitions(databases=["default"]) == []
        cursor.execute(f"DROP TABLE audit_entry_{THIS_QUARTER}")
        assert [found.id for found in check_partitions(databases=["default"])] == ["identity_privacy.W101"]
        assert partition_of(enter()) == "audit_entry_default"
        call_command("audit", "partitions")  # its time has rows in the default one already: they stay there
        assert "none" in capsys.readouterr().out


@pytest.mark.only_on("sqlite")
@pytest.mark.django_db
def test_sqlite_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "partitions")
    assert "none" in capsys.readouterr().out
    assert check_partitions(databases=["default"]) == []
