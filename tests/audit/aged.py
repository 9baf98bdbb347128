"""A log that has grown old, and the command that prunes it."""

import io
from datetime import UTC, date, datetime
from itertools import count
from uuid import UUID

from django.core.management import call_command

from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.inserting import insert_entry
from identity_privacy.audit.models import Entry
from identity_privacy.audit.offline import leaf_hash
from identity_privacy.audit.partitions import first_id_on

OLD, LATER = date(2015, 2, 3), date(2016, 5, 6)
DBA = Actor.service("dba")
ORDER = count(1)


def enter_on(day: date, number: int = 1, **facts: str) -> list[Entry]:
    """Entries as they were entered on that day: with an id of its time."""
    entries = []
    for _ in range(number):
        entry = Entry(
            id=UUID(int=first_id_on(day).int + next(ORDER)),
            at=datetime(day.year, day.month, day.day, tzinfo=UTC),
            actor_kind="service",
            actor_id="test",
            **{"action": "test.done", "target_kind": "thing", "target_id": "1", **facts},
        )
        entry.leaf_hash = leaf_hash(entry_bytes(entry))
        insert_entry(entry)
        entries.append(entry)
    return entries


def prune(*arguments: object) -> str:
    out = io.StringIO()
    call_command("audit", "prune", *map(str, arguments), stdout=out)
    return out.getvalue()


def grown() -> tuple[list[Entry], list[Entry]]:
    """A log of old and of younger entries over several tiles, with a checkpoint between them."""
    old = enter_on(OLD, 300)
    services.sequence()
    younger = enter_on(LATER, 300)
    services.sequence()
    return old, younger
