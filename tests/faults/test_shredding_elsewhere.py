"""What other processes, backups and replicas hold of the data is unreadable once its keys are destroyed."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests import servers

ROOT = Path(__file__).resolve().parents[2]

WRITE = """
import django; django.setup()
from uuid import UUID
from tests.crypto.notebook.factories import make_key, make_note
note = make_note("Lisbon", data_key_id=make_key(UUID(int=1)))
make_note("Porto", data_key_id=make_key(UUID(int=2)))
print(note.id, note.data_key_id)
"""
DESTROY = """
import django; django.setup()
from uuid import UUID
from identity_privacy.crypto.destruction import destroy_subject_keys
print(destroy_subject_keys(UUID(int=1)).keys)
"""
# Prints what each note says, or why it says nothing; again for each line that it is sent.
READ = """
import sys
import django; django.setup()
from identity_privacy.crypto.errors import KeyDestroyed
from tests.crypto.notebook.factories import reading
from tests.crypto.notebook.models import Note
def said(note):
    try:
        return note.text
    except KeyDestroyed:
        return "destroyed"
while True:
    with reading() as one:
        print(*(said(note) for note in Note.objects.order_by("id")), flush=True)
    assert one.ciphers == {}
    if not sys.stdin.readline():
        break
"""
# How many living keys open the ciphertext that came in hex, with the ids that it is bound to.
TRY = """
import sys
import django; django.setup()
from uuid import UUID
from identity_privacy.crypto.seal import associated_data
from tests.crypto.living_keys import opened_by_a_living_key
sealed, note_id, key_id = sys.argv[1:]
place = associated_data("notebook.note.text", UUID(note_id), UUID(key_id))
print(opened_by_a_living_key(bytes.fromhex(sealed), place))
"""


def environment(folder: Path, database_url: str = "") -> Mapping[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_KEYS_URL": f"sqlite:///{folder}/keys.sqlite3",
        "DATABASE_URL": database_url or f"sqlite:///{folder}/data.sqlite3",
    }


def run(where: Mapping[str, str], *command: str) -> str:
    ran = subprocess.run([sys.executable, *command], cwd=ROOT, env=where, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def migrated(where: Mapping[str, str]) -> Mapping[str, str]:
    for alias in ("keys", "default"):
        run(where, "-m", "django", "migrate", f"--database={alias}", "--verbosity=0", "--skip-checks")
    return where


@pytest.fixture
def service(tmp_path: Path) -> Mapping[str, str]:
    """Data and keys in two SQLite files, as the embedded default has them."""
    return migrated(environment(tmp_path))


def test_a_process_that_read_before_has_forgotten_the_key(service: Mapping[str, str]) -> None:
    run(service, "-c", WRITE)
    command = [sys.executable, "-c", READ]
    with subprocess.Popen(
        command, cwd=ROOT, env=service, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "Lisbon Porto\n"
        assert run(service, "-c", DESTROY) == "1"
        reader.stdin.write("again\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "destroyed Porto\n"
        reader.stdin.close()
    assert reader.returncode == 0


def test_a_backup_of_the_data_stays_closed(service: Mapping[str, str], tmp_path: Path) -> None:
    run(service, "-c", WRITE)
    backup = tmp_path / "backup.sqlite3"
    with closing(sqlite3.connect(tmp_path / "data.sqlite3")) as data, closing(sqlite3.connect(backup)) as copy:
        data.backup(copy)
    assert run({**service, "DATABASE_URL": f"sqlite:///{backup}"}, "-c", READ) == "Lisbon Porto"
    assert run(service, "-c", DESTROY) == "1"
    assert run({**service, "DATABASE_URL": f"sqlite:///{backup}"}, "-c", READ) == "destroyed Porto"


# --- A replica ----------------------------------------------------------------------------------------


@pytest.fixture
def primary() -> Iterator[str]:
    """A server of its own, since a base backup takes everything on it."""
    try:
        with servers.postgres(durable=True) as server, servers.databases(server) as (database_url, _):
            yield database_url
    except servers.ServerMissing as missing:
        if os.environ.get("STRICT") or os.environ.get("CI"):
            raise
        pytest.skip(f"{missing} is not installed")


def test_a_streaming_replica_of_the_data_stays_closed(primary: str, tmp_path: Path) -> None:
    service = migrated(environment(tmp_path, primary))
    with servers.replica(primary) as standby:
        note_id, key_id = run(service, "-c", WRITE).split()
        kept = arrived(standby, note_id)
        assert run(service, "-c", TRY, kept, note_id, key_id) == "1"
        assert run(service, "-c", DESTROY) == "1"
        assert arrived(standby, note_id) == kept
        assert run(service, "-c", TRY, kept, note_id, key_id) == "0"


def arrived(standby: str, note_id: str) -> str:
    """The ciphertext of a note in hex, once it has come over to the replica."""
    end = time.monotonic() + 10
    with psycopg.connect(standby, autocommit=True) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        while True:
            found = connection.execute("SELECT text FROM notebook_note WHERE id = %s", [note_id]).fetchone()
            if found is not None:
                return bytes(found[0]).hex()
            assert time.monotonic() < end
            time.sleep(0.05)
