"""The other packages with encrypted fields, each in a process and an environment of its own."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from django.db import connection

from benchmarks.harness import Took

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PACKAGES = ("django-fernet-encrypted-fields", "django-encrypted-model-fields", "django-cryptography-5")


class Package:
    """A process that holds the same rows in the same database and reads them when it is told to."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    @classmethod
    @contextlib.contextmanager
    def started(cls, name: str, rows: int) -> Iterator[Self]:
        """Start it and let it write its rows; ended with the block."""
        if not PYTHON.exists():
            raise RuntimeError("the other packages are not installed: run scripts/bootstrap bench")
        database = {key: str(connection.settings_dict[key]) for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
        environment = {"PATH": os.environ["PATH"], "PEER_DATABASE": json.dumps(database)}
        command = [str(PYTHON), "-m", "benchmarks.peers", name, str(rows)]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("a process without pipes")
            package = cls(process.stdin, process.stdout)
            package._answer()  # its rows are written
            yield package
            process.stdin.close()

    def run(self, reading: str) -> Took:
        """One round of `read_all` or `read_one`."""
        self._requests.write(f"{reading}\n")
        self._requests.flush()
        return self._answer()

    def _answer(self) -> Took:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the package's process ended; see what it printed")
        return Took(**json.loads(line))
