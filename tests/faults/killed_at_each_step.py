"""Run inside the service's settings with `FOLDER VERB…`: kill a change of keys, or what is noted beside them for the
log, before each statement in turn, and look.

Every SQL statement and every COMMIT on both databases is counted; a child makes the change and kills itself before the
n-th. Then the parent sees that everything reads, finishes the change, and sees that it is finished. n goes up until the
child is done before it. `--stride N` tries every N-th only, from one of the first N on. Says how many were tried.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from django.core.management import call_command
from django.db import connections, transaction
from psycopg import sql

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import take_over_readings
from identity_privacy.crypto.controller_keys import forget_held_keys
from identity_privacy.crypto.destruction import destroy_subject_keys, forget_bytes
from identity_privacy.crypto.index_keys import forget_held_index_keys
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.models import ControllerKey, DataKey, PendingEntry, SigningKey
from identity_privacy.crypto.providers import newest_only, root_key_path, write_root_key
from identity_privacy.crypto.providers.local import KeyFile
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.rotation import (
    Whose,
    blind_indexes,
    rotate_dek,
    rotate_index,
    rotate_kek,
    rotate_root,
)
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.sweeping import sweep_orphans
from identity_privacy.crypto.terms import KeyKind, SigningUse
from profiles.models import Identifier, Profile
from tests.crypto.rotated import every_value, found, half_done, make_people
from tests.factories import SERVICE, make_controller

PATIENCE = 5.0
PEOPLE = 2
ALIASES = ("default", "keys")
Values = Mapping[tuple[str, UUID], object]


# --- The world, and how it is set back ------------------------------------------------------------------------------


@dataclass(kw_only=True)
class World:
    """Two people of one controller, two keys that nothing is under and three readings that are noted for the log.

    It is set back to this before each try.
    """

    folder: Path
    people: list[UUID] = field(default_factory=list)
    orphans: list[UUID] = field(default_factory=list)
    noted: set[UUID] = field(default_factory=set)
    values: Values = field(default_factory=dict)
    controller: Controller = field(default_factory=Controller)

    def make(self) -> None:
        """Once, in the databases that the settings name."""
        path = root_key_path()
        if path is None:
            raise AssertionError("this needs a root key in a file")
        write_root_key(path)
        for alias in ALIASES:
            call_command("migrate", verbosity=0, database=alias)
        self.controller = make_controller()
        self.people = make_people(self.controller, PEOPLE)
        current_public_key(SigningUse.CHECKPOINT)
        self.orphans = [
            create_data_key(kind=KeyKind.PROFILE, controller_id=self.controller.id, owner_id=UUID(int=number))
            for number in range(2)
        ]
        DataKey.objects.update(created_at=clock.now() - timedelta(days=2))
        self.values = every_value()
        read_thrice(self)
        self.noted = set(PendingEntry.objects.values_list("id", flat=True))
        forget_bytes()
        connections.close_all()
        self._copy("", ".kept")

    def set_back(self) -> None:
        """As it was made; nothing is held of what came after."""
        connections.close_all()
        forget_held_keys()
        forget_held_index_keys()
        self._copy(".kept", "")

    def _copy(self, source: str, target: str) -> None:
        shutil.copy(self.folder / f"root-key.json{source}", self.folder / f"root-key.json{target}")
        for alias in ALIASES:
            if connections[alias].vendor == "postgresql":
                _copy_database(connections[alias].settings_dict, source.replace(".", "_"), target.replace(".", "_"))
                continue
            file = Path(connections[alias].settings_dict["NAME"])
            for log in ("-wal", "-shm"):  # empty when we copy: whoever closes a database last has brought it in
                file.with_name(f"{file.name}{log}").unlink(missing_ok=True)
            shutil.copy(f"{file}{source}", f"{file}{target}")


def _copy_database(place: Mapping[str, Any], source: str, target: str) -> None:
    here, there = sql.Identifier(place["NAME"] + source), sql.Identifier(place["NAME"] + target)
    with psycopg.connect(
        host=place["HOST"], port=place["PORT"], user=place["USER"], dbname="postgres", autocommit=True
    ) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(there))
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(there, here))


# --- What is killed, and what must hold afterwards ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Change:
    """A verb, and what it comes to."""

    run: Callable[[World], object]
    # Between the kill and the resumption, whatever was reached.
    holds: Callable[[World], None]
    ended: Callable[[World], None]


def reads_as_before(world: World) -> None:
    must(every_value() == world.values, "a value was lost")
    for number, person in enumerate(world.people):
        must(found(world.controller, number) == [person], f"person {number} is not found")


def nothing_half_done(world: World) -> None:
    reads_as_before(world)
    must(not half_done(), f"left half done: {half_done()}")


def import_people(world: World) -> None:
    make_people(world.controller, 1, offset=0)  # is there already
    make_people(world.controller, 2, offset=PEOPLE)


def old_people_read(world: World) -> None:
    now = every_value()
    must(all(now[place] == value for place, value in world.values.items()), "a value was lost")


def everybody_is_there_once(world: World) -> None:
    old_people_read(world)
    for number in range(PEOPLE + 2):
        must(len(found(world.controller, number)) == 1, f"person {number} is not there once")
    must(Profile.objects.count() == PEOPLE + 2, "somebody was made twice")
    DataKey.objects.update(created_at=clock.now() - timedelta(days=2))
    sweep_orphans(patience=PATIENCE)
    used = set(Profile.objects.values_list("data_key_id", flat=True))
    must(set(DataKey.objects.values_list("id", flat=True)) == used, "the sweep left a key that nothing is under")


def hangs_on_one_root_key(world: World) -> None:
    nothing_half_done(world)
    path = root_key_path()
    must(path is not None and len(KeyFile(path).read()) == 1, "an older root key is left")
    forget_held_keys()
    reads_as_before(world)
    must(ControllerKey.objects.exists() and SigningKey.objects.exists(), "a key is gone")
    newest_only()


def alice_reads_or_is_gone(world: World) -> None:
    alice, bob = world.people
    keys = set(DataKey.objects.filter(subject_id=alice).values_list("id", flat=True))
    if keys:
        reads_as_before(world)
    must(DataKey.objects.filter(subject_id=bob).exists(), "the wrong person's key was destroyed")


def alice_is_gone(world: World) -> None:
    alice, bob = world.people
    must(not DataKey.objects.filter(subject_id=alice).exists(), "a key is left")
    theirs = Identifier.objects.filter(profile_id=bob).values_list("id", flat=True)
    must(theirs.exists() and DataKey.objects.filter(subject_id=bob).exists(), "the wrong person's key was destroyed")


def no_used_key_is_gone(world: World) -> None:
    reads_as_before(world)


def orphans_are_gone(world: World) -> None:
    nothing_half_done(world)
    must(not DataKey.objects.filter(id__in=world.orphans).exists(), "an orphan is left")


class GivenUp(Exception):
    """A reader's transaction fails."""


def read_in_vain(world: World, reason: str = "in vain") -> None:
    """See a value, say so in a file, and fail."""
    (world.folder / "seen").unlink(missing_ok=True)
    with contextlib.suppress(GivenUp), transaction.atomic():
        read_one(world, reason)
        raise GivenUp


def read_one(world: World, reason: str) -> None:
    with Reading(actor=SERVICE, purpose="test", subject_id=None, reason=reason):
        (world.folder / "seen").write_text(Identifier.objects.earliest("id").value)


def read_thrice(world: World) -> None:
    read_in_vain(world, "rolled back")
    with transaction.atomic():
        read_one(world, "kept")
        read_in_vain(world, "undone to a savepoint")


def whoever_saw_is_in_the_log(world: World) -> None:
    take_over_readings()
    count = Entry.objects.filter(reason="in vain").count()
    must(count == 1 or (count == 0 and not (world.folder / "seen").exists()), f"one reading, {count} entries")


def the_last_is_in_the_log(world: World) -> None:
    take_over_readings()
    must(Entry.objects.filter(reason="in vain").exists(), "a reading is not in the log")
    must(not PendingEntry.objects.exists(), "a note is left")


def each_is_entered_or_noted(world: World) -> None:
    noted = set(PendingEntry.objects.values_list("id", flat=True)) | set(Entry.objects.values_list("id", flat=True))
    must(world.noted <= noted, "a reading is lost")


def each_is_entered(world: World) -> None:
    found = dict(Entry.objects.filter(id__in=world.noted).values_list("reason", "details"))
    undone = {"rolled_back": True}
    must(found == {"rolled back": undone, "kept": {}, "undone to a savepoint": undone}, f"in the log: {found}")
    must(not PendingEntry.objects.exists(), "a note is left")


CHANGES = {
    "create": Change(run=import_people, holds=old_people_read, ended=everybody_is_there_once),
    "rotate-root": Change(
        run=lambda world: rotate_root(patience=PATIENCE), holds=reads_as_before, ended=hangs_on_one_root_key
    ),
    "rotate-kek": Change(
        run=lambda world: rotate_kek(patience=PATIENCE), holds=reads_as_before, ended=nothing_half_done
    ),
    "rotate-dek": Change(
        run=lambda world: rotate_dek(Whose.everybody(), resume=True, patience=PATIENCE),
        holds=reads_as_before,
        ended=nothing_half_done,
    ),
    "rotate-index": Change(
        run=lambda world: rotate_index(patience=PATIENCE), holds=reads_as_before, ended=nothing_half_done
    ),
    "destroy": Change(
        run=lambda world: destroy_subject_keys(world.people[0]), holds=alice_reads_or_is_gone, ended=alice_is_gone
    ),
    "sweep": Change(
        run=lambda world: sweep_orphans(patience=PATIENCE), holds=no_used_key_is_gone, ended=orphans_are_gone
    ),
    "read": Change(run=read_in_vain, holds=whoever_saw_is_in_the_log, ended=the_last_is_in_the_log),
    "take-over": Change(run=lambda world: take_over_readings(), holds=each_is_entered_or_noted, ended=each_is_entered),
}


def must(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


# --- Killing --------------------------------------------------------------------------------------------------------


class Killer:
    """Counts down statements and commits, and dies before the last."""

    def __init__(self, left: int) -> None:
        self._left = left

    def watch(self) -> None:
        """Every statement and commit of this process."""
        for alias in ALIASES:
            connection: Any = connections[alias]
            connection.execute_wrappers.append(self._before_statement)
            connection._commit = self._before(connection._commit)

    def _before_statement(self, execute: Callable[..., object], *arguments: object) -> object:
        self._count()
        return execute(*arguments)

    def _before(self, commit: Callable[[], object]) -> Callable[[], object]:
        def counted() -> object:
            self._count()
            return commit()

        return counted

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def is_killed(change: Change, world: World, at: int) -> bool:
    """Make the change in a child that dies before the n-th step; whether it came so far."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            Killer(at).watch()
            change.run(world)
            code = 0
        os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    must(code in {0, -signal.SIGKILL}, f"the child ended with {code} before step {at}")
    return code != 0


def tries(world: World, change: Change, stride: int) -> Iterator[int]:
    at = 1 + secrets.randbelow(stride)
    while True:
        world.set_back()
        if not is_killed(change, world, at):
            change.ended(world)
            return
        try:
            change.holds(world)
            change.run(world)
            change.ended(world)
        except Exception as error:
            raise AssertionError(f"killed before step {at}") from error
        yield at
        at += stride


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("verbs", nargs="+", choices=CHANGES)
    parser.add_argument("--stride", type=int, default=1)
    asked = parser.parse_args()
    blind_indexes.LOOKUP_SECONDS = 0.0  # type: ignore[misc]  # nobody looks up beside this
    world = World(folder=asked.folder)
    world.make()
    for verb in asked.verbs:
        count = sum(1 for _ in tries(world, CHANGES[verb], asked.stride))
        sys.stdout.write(f"{verb} {count}\n")
        sys.stdout.flush()
