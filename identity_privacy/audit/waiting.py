"""How many entries wait for their place in the log, and since when: the lag of the sequencer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection

from identity_privacy import clock
from identity_privacy.audit.sequencing import LAST_PLACED_ON_SQLITE

# A sequencer that works leaves no entry waiting for longer.
MOST: Final = timedelta(seconds=10)
# No more are counted: what matters is that they are many.
COUNTED: Final = 10_000
_HORIZON: Final = """
    SELECT max(written_in) FROM audit_horizon
    WHERE cluster = (SELECT system_identifier::text FROM pg_control_system())
        AND written_in <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""
# As the sequencer finds them (see `sequencing`): of the others none can be without a place.
_WAITING_ON_POSTGRESQL: Final = """
    SELECT count(*), min(at) FROM (
        SELECT at FROM audit_entry entry
        WHERE written_in >= %s
            AND NOT EXISTS (SELECT FROM audit_sequenced place WHERE place.entry_id = entry.id)
        ORDER BY written_in, id LIMIT %s
    ) waiting
"""
_WAITING_ON_SQLITE: Final = f"""
    SELECT count(*), min(at) FROM (
        SELECT at FROM audit_entry
        WHERE rowid > coalesce(({LAST_PLACED_ON_SQLITE}), 0)
            AND NOT EXISTS (SELECT 1 FROM audit_sequenced place WHERE place.entry_id = audit_entry.id)
        ORDER BY rowid LIMIT %s
    )
"""  # noqa: S608  # ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many entries have no place yet, and when the oldest of them was made."""

    count: int
    since: datetime | None

    @property
    def is_uncounted(self) -> bool:
        """Whether there are more than were counted."""
        return self.count > COUNTED

    @property
    def is_late(self) -> bool:
        """Whether the oldest has waited for longer than it takes: the sequencer does not run."""
        return self.since is not None and clock.now() - self.since > MOST


def waiting() -> Waiting:
    """The entries that wait now; cheap, since it looks only where the sequencer would."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Asked for by itself: only with the number before it does the planner see how few rows come after.
            cursor.execute(_HORIZON)
            horizon = cursor.fetchone()[0] or 0
            cursor.execute(_WAITING_ON_POSTGRESQL, [horizon, COUNTED + 1])
        else:
            cursor.execute(_WAITING_ON_SQLITE, [COUNTED + 1])
        count, since = cursor.fetchone()
    if isinstance(since, str):  # SQLite has no type for times
        since = datetime.fromisoformat(since).replace(tzinfo=UTC)
    return Waiting(count=count, since=since)
