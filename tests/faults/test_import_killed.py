"""An import that is killed, or that runs twice at once, ends with each person there exactly once."""

import contextlib
import csv
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from tests.faults.house import wait_until
from tests.servers import databases

ROOT = Path(__file__).resolve().parents[2]
PEOPLE, KILLS = 2_000, 3
CHANCE = random.Random()  # noqa: S311  # when to kill

MAPPING = """
source = "till"
record_id = "no"
[identifiers]
email = "mail"
[attributes.given_name]
label = "First name"
category = "identity"
"""
SET_UP = """
import django
django.setup()
from django.core.management import call_command
from tests.factories import make_controller
for database in ("default", "keys"):
    call_command("migrate", verbosity=0, database=database)
make_controller()
"""
# How often each table holds something of a person, and how many of them it holds.
COUNTS = (
    "SELECT count(*), count(DISTINCT id) FROM profiles_profile",
    """SELECT count(*), count(DISTINCT "index") FROM profiles_identifier WHERE kind = 'source_record'""",
    "SELECT count(*), count(DISTINCT profile_id) FROM profiles_identifier WHERE kind = 'email'",
    "SELECT count(*), count(DISTINCT profile_id) FROM profiles_attribute",
)


class Import:
    """The real command, on databases of its own."""

    def __init__(self, folder: Path, databases: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "identity_privacy.settings",
            "VAR_DIR": str(folder),
            "ROOT_KEY_URL": "env://",
            "ROOT_KEY": "b25seSBmb3IgdGhlIHRlc3RzOiAzMiBieXRlcyBrZXk=",
            **databases,
        }
        (folder / "mapping.toml").write_text(MAPPING)
        with (folder / "people.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["no", "given_name", "mail"])
            writer.writerows([number, f"Name {number}", f"person{number}@example.org"] for number in range(PEOPLE))
        subprocess.run([sys.executable, "-c", SET_UP], cwd=ROOT, env=self.environment, check=True)

    def start(self) -> subprocess.Popen[str]:
        mapping, file = self.folder / "mapping.toml", self.folder / "people.csv"
        command = ["manage.py", "import_profiles", str(file), f"--mapping={mapping}", "--controller=lindwerk"]
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ends(self, process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    def counts(self) -> list[tuple[object, ...]]:
        return [self.ask(query) for query in COUNTS]

    def ask(self, query: str) -> tuple[object, ...]:
        if url := self.environment.get("DATABASE_URL"):
            with psycopg.connect(url) as postgres:
                return postgres.execute(query).fetchone() or ()
        with contextlib.closing(sqlite3.connect(self.folder / "data.sqlite3")) as sqlite:
            return tuple(sqlite.execute(query).fetchone())

    def people(self) -> int:
        return int(str(self.ask(COUNTS[0])[0]))


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Import]:
    with contextlib.ExitStack() as stack:
        urls = {}
        if request.param == "postgresql":
            pair = stack.enter_context(databases(request.getfixturevalue("pg_server")))
            urls = dict(zip(("DATABASE_URL", "DATABASE_KEYS_URL"), pair, strict=True))
        yield Import(tmp_path, urls)


def test_an_import_that_is_killed_again_and_again_loses_and_doubles_nobody(service: Import) -> None:
    struck = 0
    for _ in range(KILLS):
        before, process = service.people(), service.start()
        wait_until(lambda: service.people() > before or process.poll() is not None, 30, "people come in")  # noqa: B023
        time.sleep(CHANCE.uniform(0, 0.2))
        process.kill()
        process.communicate()
        struck += before < service.people() < PEOPLE
    output = service.ends(service.start())
    assert service.counts() == [(PEOPLE, PEOPLE)] * len(COUNTS)
    assert f"{PEOPLE} rows: " in output
    assert struck, "a kill came while people were written"


def test_two_imports_of_one_file_at_once_make_each_person_once(service: Import) -> None:
    outputs = [service.ends(process) for process in [service.start() for _ in range(2)]]
    assert service.counts() == [(PEOPLE, PEOPLE)] * len(COUNTS)
    created = [int(output.split(" imported")[0].split()[-1]) for output in outputs]
    assert sum(created) == PEOPLE
