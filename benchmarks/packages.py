"""The other packages with encrypted fields, each in a process and an environment of its own."""

import json
import os
from contextlib import AbstractContextManager

from django.db import connection

from benchmarks.processes import ROOT, Worker

PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PACKAGES = ("django-fernet-encrypted-fields", "django-encrypted-model-fields", "django-cryptography-5")


def package_process(name: str, rows: int) -> AbstractContextManager[Worker]:
    """A process with a package that writes as many rows to the same database and then does `read_all` or `read_one`."""
    if not PYTHON.exists():
        raise RuntimeError("the other packages are not installed: run scripts/bootstrap bench")
    database = {key: str(connection.settings_dict[key]) for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    environment = {"PATH": os.environ["PATH"], "PEER_DATABASE": json.dumps(database)}
    return Worker.started([str(PYTHON), "-m", "benchmarks.peers", name, str(rows)], environment)
