"""Whoever may still write under an old key is waited for, in whichever way a transaction can be open."""

from collections.abc import Iterator

import pytest
from django.db import NotSupportedError, connection, transaction

from identity_privacy.crypto.errors import WritersStillRun
from identity_privacy.crypto.transactions import ensure_begun, wait_for_open_transactions

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def prepared() -> Iterator[str]:
    """A transaction that was prepared for two-phase commit, and that no session is in any more."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("CREATE TABLE written (value integer)")
        cursor.execute("PREPARE TRANSACTION 'a writer'")
        yield "a writer"
        cursor.execute("SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'a writer'")
        if cursor.fetchone() != (0,):
            cursor.execute("ROLLBACK PREPARED 'a writer'")


@pytest.mark.only_on("postgresql")
def test_a_prepared_transaction_is_waited_for(prepared: str) -> None:
    with pytest.raises(WritersStillRun):
        wait_for_open_transactions("default", seconds=0.1)
    wait_for_open_transactions("keys", seconds=0.1)  # another database
    with connection.cursor() as cursor:
        cursor.execute(f"ROLLBACK PREPARED '{prepared}'")
    wait_for_open_transactions("default", seconds=0.1)


def test_a_database_whose_transactions_nobody_can_follow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    with pytest.raises(NotSupportedError, match="mysql"):
        wait_for_open_transactions("default", seconds=1)
    with transaction.atomic(), pytest.raises(NotSupportedError, match="mysql"):
        ensure_begun("default")
