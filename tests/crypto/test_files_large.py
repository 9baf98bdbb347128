"""A file of any size is sealed and opened in little memory."""

import os
import subprocess
import sys
from pathlib import Path

# A gibibyte before a release.
MIB = 1024 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 64

SEAL_AND_OPEN = """
import resource, sys
import django; django.setup()
from pathlib import Path
from uuid import UUID
from django.core.management import call_command
from identity_privacy.actors import Actor
from identity_privacy.crypto import reading
from identity_privacy.crypto.files import SealedWriter, open_file, register_files
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.terms import KeyKind

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

path, size = Path(sys.argv[1]), int(sys.argv[2]) * 1024**2
call_command("migrate", database="keys", verbosity=0)
reading._witnesses.clear()  # there is no database of the log here
key_id = create_data_key(kind=KeyKind.REQUEST, controller_id=UUID(int=9), owner_id=UUID(int=1))
at = dict(place="test.file", row_id=UUID(int=2), key_id=key_id)
register_files("test.file", lambda key_ids: [])
block = bytes(range(256)) * 4096
with SealedWriter(path, **at) as file:
    file.write(block)
began = peak()
with SealedWriter(path, **at) as file:
    for _ in range(size // len(block)):
        file.write(block)
with reading.Reading(actor=Actor.service("test"), purpose="test", subject_id=None, reason="read a file"):
    read = sum(len(part) for part in open_file(path, **at) if part in block + block)
print(read, peak() - began)
"""


def test_a_large_file_needs_less_than_64_mib_of_memory(tmp_path: Path) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_KEYS_URL": f"sqlite:///{tmp_path}/keys.sqlite3",
        "DATABASE_URL": f"sqlite:///{tmp_path}/data.sqlite3",
    }
    ran = subprocess.run(
        [sys.executable, "-c", SEAL_AND_OPEN, str(tmp_path / "file"), str(MIB)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    read, more = map(int, ran.stdout.split())
    assert read == MIB * 1024**2
    assert more < 64 * 1024**2
    (tmp_path / "file").unlink()
