"""Entries of the audit log and rows of an ordinary audit table; run as a process, it writes what it is told to."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Final

import django
from uuid_utils.compat import uuid7

if __name__ == "__main__":
    django.setup()

from django.db import connection, transaction

from benchmarks.harness import Took, here
from benchmarks.models import PlainEntry
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.models import Entry
from identity_privacy.audit.offline import leaf_hash
from identity_privacy.audit.services import record
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.postgres import as_copied, copy_in

AT_ONCE: Final = 50_000
CONTROLLER: Final = uuid7()
AGENT: Final = Actor.user(uuid7())


def record_each(count: int) -> None:
    """Enter as many things, each in a transaction as a service's verb would."""
    for number in range(count):
        with transaction.atomic():
            record(
                actor=AGENT,
                action="consent.given",
                target=("purpose", uuid7()),
                controller_id=CONTROLLER,
                subject_id=uuid7(),
                reason="asked by the person",
                details={"version": number, "channel": "portal"},
            )


def write_plain(count: int) -> None:
    """The baseline: the same facts as a row of an ordinary table."""
    for number in range(count):
        with transaction.atomic():
            PlainEntry.objects.create(
                at=clock.now(),
                actor_kind=AGENT.kind.value,
                actor_id=AGENT.id,
                action="consent.given",
                target_kind="purpose",
                target_id=str(uuid7()),
                controller_id=CONTROLLER,
                subject_id=uuid7(),
                reason="asked by the person",
                details={"version": number, "channel": "portal"},
            )


def enter_many(count: int) -> None:
    """Fill the log, in one transaction."""
    entries = []
    for number in range(count):
        entry = Entry(
            at=clock.now(),
            actor_kind=AGENT.kind.value,
            actor_id=AGENT.id,
            action="consent.given",
            target_kind="purpose",
            target_id=str(uuid7()),
            controller_id=CONTROLLER,
            subject_id=uuid7(),
            reason="asked by the person",
            details={"version": number, "channel": "portal"},
        )
        entry.leaf_hash = leaf_hash(entry_bytes(entry))
        entries.append(entry)
    with transaction.atomic():
        if connection.vendor == "postgresql":
            fields = [field for field in Entry._meta.concrete_fields if field.attname != "written_in"]
            rows = (
                [as_copied(field, getattr(entry, field.attname), connection) for field in fields] for entry in entries
            )
            copy_in(connection, Entry, fields, rows)
        else:
            Entry.objects.bulk_create(entries, batch_size=1_000)


def verify(_: int) -> None:
    """Check all there is, which must be more than nothing."""
    if not verify_log():
        raise AssertionError("there is no entry to verify")


def _peak() -> float:
    """The most memory that this process ever held, in MiB; what the system says of its children counts ours, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


WORK: Final[Mapping[str, Callable[[int], object]]] = {
    "record": record_each,
    "plain": write_plain,
    "verify": verify,
}


def main() -> None:
    """Do what each line says, such as `record 100`; ready once an answer to no line is given."""
    answers = [Took(seconds=0, cpu=0)]
    while answers:
        sys.stdout.write(json.dumps(asdict(answers.pop())) + "\n")
        sys.stdout.flush()
        if line := sys.stdin.readline():
            name, _, count = line.strip().partition(" ")
            answers.append(replace(here(partial(WORK[name], int(count or 0)))(), mib=_peak()))


if __name__ == "__main__":
    main()
