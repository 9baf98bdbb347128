"""A destroyed key's bytes are gone from the disk, or it is not called destroyed."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

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


def run(folder: Path, *command: str) -> str:
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_KEYS_URL": f"sqlite:///{folder}/keys.sqlite3?timeout=1",
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
