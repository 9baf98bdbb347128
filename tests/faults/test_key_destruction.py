"""A destroyed key's bytes are gone from the disk, or it is not called destroyed."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests import servers

DESTROY = """
import django; django.setup()
from uuid import UUID
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import NotForgotten
try:
    destroy_subject_keys(UUID(int=1))
except NotForgotten:
    print("not yet")
else:
    print("destroyed")
"""
CREATE = """
import django; django.setup()
from uuid import UUID
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.terms import KeyKind
key = create_data_key(kind=KeyKind.PROFILE, controller_id=UUID(int=9), owner_id=UUID(int=1), subject_id=UUID(int=1))
print(bytes(DataKey.objects.get(id=key).wrapped).hex())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A keys database in a file, with its write-ahead log, as the embedded default has it."""
    run(tmp_path, "-m", "django", "migrate", "--database=keys", "--verbosity=0", "--skip-checks")
    return tmp_path


def run(folder: Path, *command: str, keys_url: str = "") -> str:
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_KEYS_URL": keys_url or f"sqlite:///{folder}/keys.sqlite3?timeout=1",
        "DATABASE_URL": f"sqlite:///{folder}/data.sqlite3",
    }
    ran = subprocess.run(
        [sys.executable, *command], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def stands_in(folder: Path, wrapped: bytes) -> list[str]:
    return [path.name for path in folder.iterdir() if wrapped in path.read_bytes()]


def test_nothing_of_a_destroyed_key_is_left_in_any_file(folder: Path) -> None:
    wrapped = bytes.fromhex(run(folder, "-c", CREATE))
    assert stands_in(folder, wrapped)
    assert run(folder, "-c", DESTROY) == "destroyed"
    assert stands_in(folder, wrapped) == []


def test_while_somebody_reads_the_keys_it_is_not_called_destroyed(folder: Path) -> None:
    wrapped = bytes.fromhex(run(folder, "-c", CREATE))
    with closing(sqlite3.connect(folder / "keys.sqlite3", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM crypto_datakey").fetchone()
        assert run(folder, "-c", DESTROY) == "not yet"
    assert run(folder, "-c", DESTROY) == "destroyed"
    assert stands_in(folder, wrapped) == []


def test_while_a_replicas_reader_sees_the_keys_it_is_not_called_destroyed(tmp_path: Path) -> None:
    if not servers.has_postgres():
        if os.environ.get("STRICT") or os.environ.get("CI"):
            raise servers.ServerMissing("PostgreSQL")
        pytest.skip("PostgreSQL is not installed")
    with servers.postgres(durable=True) as server, servers.databases(server) as (_, url):
        run(tmp_path, "-m", "django", "migrate", "--database=keys", "--verbosity=0", "--skip-checks", keys_url=url)
        with servers.replica(url) as standby, psycopg.connect(standby, autocommit=True) as reader:
            run(tmp_path, "-c", CREATE, keys_url=url)
            # A replica that holds back what its readers see; it says so as a session that is in no database.
            reader.execute("ALTER SYSTEM SET hot_standby_feedback = on")
            reader.execute("ALTER SYSTEM SET wal_receiver_status_interval = '1s'")
            reader.execute("SELECT pg_reload_conf()")
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM pg_class")
            _wait_until_said(url)
            assert run(tmp_path, "-c", DESTROY, keys_url=url) == "not yet"
            reader.execute("ROLLBACK")
            time.sleep(2)
            assert run(tmp_path, "-c", DESTROY, keys_url=url) == "destroyed"


def _wait_until_said(url: str) -> None:
    end = time.monotonic() + 20
    said = "SELECT count(*) FROM pg_stat_activity WHERE datname IS NULL AND backend_xmin IS NOT NULL"
    with psycopg.connect(url, autocommit=True) as primary:
        while primary.execute(said).fetchone() == (0,):
            assert time.monotonic() < end
            time.sleep(0.1)
