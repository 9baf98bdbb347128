"""Runs the benchmarks, each group and back end in a process of its own: `python -m benchmarks --only crypto`.

Full-size figures go to benchmarks/results.json; those of `--rows`, which only try a thing out, to var/benchmarks.json.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from tests import servers

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a group is measured with."""

    backends: tuple[str, ...]
    rows: tuple[int, ...]


GROUPS: Mapping[str, Group] = {
    "crypto": Group(backends=("postgresql", "sqlite"), rows=(10_000, 100_000)),
    "access": Group(backends=("postgresql", "sqlite"), rows=(1_000,)),
    "audit": Group(backends=("postgresql", "sqlite"), rows=(1_000_000,)),
}


def main(arguments: list[str]) -> int:
    """Measure what is asked for; the exit code is that of the first process that failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=GROUPS, action="append", help="a group; may be repeated")
    parser.add_argument("--part", default="all", help="one part of a group, as in docs/performance.md")
    parser.add_argument("--rows", type=int, action="append", help="another size, to try a thing out")
    parser.add_argument("--backend", choices=("postgresql", "sqlite"), help="one back end instead of all")
    parser.add_argument("--results", type=Path, help="where the figures go")
    asked = parser.parse_args(arguments)
    path = (asked.results or ROOT / ("var/benchmarks.json" if asked.rows else "benchmarks/results.json")).resolve()
    for name in asked.only or GROUPS:
        group = GROUPS[name]
        for backend in [asked.backend] if asked.backend else group.backends:
            with databases(backend) as (data, keys):
                sizes = [str(rows) for rows in asked.rows or group.rows]
                code = _measured([str(path), name, asked.part, *sizes], data=data, keys=keys)
            if code:
                return code
    sys.stdout.write("\n" + results.markdown(results.read(path)))
    return 0


@contextlib.contextmanager
def databases(backend: str) -> Iterator[tuple[str, str]]:
    """Two empty databases that keep what they promise: on PostgreSQL a server with fsync."""
    if backend == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/data.sqlite3", f"sqlite:///{folder}/keys.sqlite3"
    else:
        with servers.postgres(durable=True) as server, servers.databases(server) as urls:
            yield urls


def _measured(arguments: list[str], *, data: str, keys: str) -> int:
    environment = {
        **os.environ,
        "DATABASE_URL": data,
        "DATABASE_KEYS_URL": keys,
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
    }
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", *arguments], cwd=ROOT, env=environment
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
