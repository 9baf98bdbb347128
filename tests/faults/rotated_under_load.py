"""Run inside the service's settings with `FOLDER SECONDS`: keys are rotated, and killed at random, while others work.

Two processes write people, one reads and looks up, all without a pause; writers note in a journal what was committed.
The parent begins one rotation after the other, kills most of them by SIGKILL, and lets the next finish what was left.
At the end everything in the journals must read, every look-up must find, and nobody may have met an error.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from django.core.management import call_command
from django.db import IntegrityError, connections, transaction

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.crypto.controller_keys import forget_held_keys
from identity_privacy.crypto.index_keys import forget_held_index_keys
from identity_privacy.crypto.models import Incident
from identity_privacy.crypto.providers import root_key_path, write_root_key
from identity_privacy.crypto.rotation import Whose, blind_indexes, rotate_dek, rotate_index, rotate_kek, rotate_root
from identity_privacy.crypto.sweeping import sweep_orphans
from profiles.models import Attribute, Identifier
from profiles.terms import IdentifierKind
from tests.crypto.rotated import email, every_value, found, half_done, make_people, reading
from tests.factories import make_controller

CHANCE = random.Random()  # noqa: S311  # when to kill, and whom to change
STEADY, EACH = 10, 100_000
PATIENCE = 20.0
VERBS: dict[str, Callable[[], object]] = {
    "rotate-root": lambda: rotate_root(patience=PATIENCE),
    "rotate-kek": lambda: rotate_kek(patience=PATIENCE),
    "rotate-dek": lambda: rotate_dek(Whose.everybody(), resume=True, patience=PATIENCE),
    "rotate-index": lambda: rotate_index(patience=PATIENCE),
    "sweep": lambda: sweep_orphans(patience=PATIENCE),
}


def must(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


class Journal:
    """What one writer has committed: a line of JSON each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def note(self, **what: object) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(what) + "\n")

    def read(self) -> list[dict[str, object]]:
        """Whole lines only: a writer may be in the middle of one."""
        return [json.loads(line) for line in self._path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def write(controller: Controller, journal: Journal, first: int) -> None:
    """Insert people, change their values and addresses, save rows whole with values closed, claim what is taken."""
    people: list[tuple[int, UUID]] = []
    number, change = first, 0
    while True:
        if len(people) < 3 or CHANCE.random() < 0.1:
            (person,) = make_people(controller, 1, offset=number)
            people.append((number, person))
            journal.note(person=str(person), address=number)
            number += 1
        change += 1
        address, person = CHANCE.choice(people)
        with transaction.atomic():
            row = Attribute.objects.filter(profile_id=person).order_by("id")[change % 2]
            row.value = f"value {change}"
            row.save()
        journal.note(attribute=str(row.id), change=change)
        with transaction.atomic():
            named = Identifier.objects.get(profile_id=person, kind=IdentifierKind.EMAIL)
            named.verified_at = clock.now()
            named.save()
        people.remove((address, person))
        named.value = email(number)
        named.save()
        journal.note(person=str(person), address=number)
        people.append((number, person))
        number += 1
        claim_what_is_taken(controller, named)


def claim_what_is_taken(controller: Controller, by: Identifier) -> None:
    with contextlib.suppress(IntegrityError), transaction.atomic():
        Identifier.objects.create(
            controller=controller,
            profile_id=by.profile_id,
            data_key_id=by.data_key_id,
            kind=IdentifierKind.SOURCE_RECORD,
            value=f"Our shop:{email(CHANCE.randrange(STEADY))}",
            source="Our shop",
            is_exclusive=True,
            recorded_at=clock.now(),
        )
        raise AssertionError("an exclusive identifier was given twice")


def read(controller: Controller, people: list[UUID], journals: list[Journal]) -> None:
    """Look people up and read their values; whatever was committed before must be found."""
    while True:
        number = CHANCE.randrange(STEADY)
        must(found(controller, number) == [people[number]], f"person {number} was not found")
        with reading():
            values = [row.value for row in Attribute.objects.filter(profile_id=people[number])]
        must(f"Name {number}" in values, f"person {number} read wrongly")
        for journal in journals:
            written = sorted({str(line["person"]) for line in journal.read() if "person" in line})
            for person in CHANCE.sample(written, min(2, len(written))):
                with reading():
                    rows = Attribute.objects.filter(profile_id=person)
                    must(all(row.value for row in rows), "a value was lost")


def start(work: Callable[[], object], errors: Path) -> int:
    """A child that works until it is killed; what it meets goes to `errors`."""
    connections.close_all()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        CHANCE.seed(os.urandom(8))
        forget_held_keys()
        forget_held_index_keys()
        work()
        code = 0
    except BaseException:  # the child's last words
        with errors.open("a") as file:
            file.write(traceback.format_exc() + "\n")
    finally:
        os._exit(code)


def rotate(errors: Path, seconds: float) -> tuple[int, int]:
    """Begin rotations until the time is over; says how many were killed, and how many ended."""
    killed = ended = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until or killed < 10:
        child = start(CHANCE.choice(list(VERBS.values())), errors)
        patience = time.monotonic() + CHANCE.choice([0.05, 0.1, 0.3, 0.6, 1.0, 3.0]) * CHANCE.random()
        pid = 0
        while not pid and time.monotonic() < patience:
            pid, _ = os.waitpid(child, os.WNOHANG)
            time.sleep(0.005)
        if pid:
            ended += 1
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
    return killed, ended


def check(controller: Controller, people: list[UUID], journals: list[Journal]) -> None:
    """Everything that was committed is there as it was written last."""
    forget_held_keys()
    forget_held_index_keys()
    for verb in VERBS.values():
        verb()
    must(not half_done(), f"left half done: {half_done()}")
    values = every_value()
    must(all(found(controller, number) == [person] for number, person in enumerate(people)), "a look-up fails")
    for journal in journals:
        lines = journal.read()
        changes = {str(line["attribute"]): int(str(line["change"])) for line in lines if "attribute" in line}
        addresses = {str(line["person"]): int(str(line["address"])) for line in lines if "person" in line}
        # Killed between its commit and its note, a writer has come one change further.
        for row_id, change in changes.items():
            value = values["profiles.attribute.value", UUID(row_id)]
            must(value in {f"value {change}", f"value {max(changes.values()) + 1}"}, "a value was lost")
        for person, address in addresses.items():
            then = [found(controller, number) for number in (address, max(addresses.values()) + 1)]
            must([UUID(person)] in then, f"person {address} is not found")
    must(not Incident.objects.exists(), f"values did not open: {list(Incident.objects.values())}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    path = root_key_path()
    must(path is not None, "this needs a root key in a file")
    write_root_key(path or Path())
    for alias in ("default", "keys"):
        call_command("migrate", verbosity=0, database=alias)
    blind_indexes.LOOKUP_SECONDS = 0.5  # type: ignore[misc]  # a look-up takes milliseconds here
    controller = make_controller()
    people = make_people(controller, STEADY)
    errors = asked.folder / "errors"
    journals = [Journal(asked.folder / f"journal{number}") for number in range(2)]
    workers = [
        start(lambda at=at, journal=journal: write(controller, journal, (at + 1) * EACH), errors)  # type: ignore[misc]  # bound now
        for at, journal in enumerate(journals)
    ]
    workers.append(start(lambda: read(controller, people, journals), errors))
    try:
        killed, ended = rotate(errors, asked.seconds)
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
    must(not errors.exists(), errors.read_text() if errors.exists() else "")
    check(controller, people, journals)
    sys.stdout.write(f"{killed} {ended} {sum(len(journal.read()) for journal in journals)}\n")
