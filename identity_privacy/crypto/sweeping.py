"""Orphans: data keys under which nothing was ever written, because whoever made them died before."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from identity_privacy import clock
from identity_privacy.crypto.destruction import delete_keys, finish_forgetting
from identity_privacy.crypto.errors import ColumnsUnknown, WritersStillRun
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.files import sealed_files
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.rotation.known import see_that_every_column_is_known
from identity_privacy.crypto.rotation.outcome import Outcome, Plan, Progress, unseen
from identity_privacy.crypto.rotation.writers import every_row, models_with_keys, wait_for_writers
from identity_privacy.crypto.terms import KeyKind

# A key is committed before the first value under it: one as old as this has waited long enough.
AGE: Final = timedelta(hours=24)
BATCH: Final = 1_000


def plan_sweep() -> Plan:
    """What a sweep would do."""
    count = sum(len(orphans) for orphans in _batches())
    sentence = f"{count:,} data keys older than 24 hours, which nothing is under, are destroyed"
    return Plan(sentence=sentence, total=count, keys=count)


def sweep_orphans(*, patience: float, progress: Progress = unseen) -> Outcome:
    """Destroy data keys older than 24 hours that no row and no registered file names; safe to repeat.

    1. Retire them: from now on nobody begins to write under them.
    2. Wait for the transactions of the data that are open: whoever had begun has then ended.
    3. Look again. What is named now was in use after all and comes back; the others are destroyed.
    4. Overwrite their bytes, and those of whatever else was destroyed and not overwritten yet.

    Raises: WritersStillRun, after `patience` seconds; NotForgotten. Call it again. ColumnsUnknown, where a newer
    release must do it.
    """
    swept = kept = 0
    for orphans in _batches():
        try:
            see_that_every_column_is_known()  # what a newer release writes under, is not to be retired either
            DataKey.objects.filter(id__in=orphans, retired_at=None).update(retired_at=clock.now())
            wait_for_writers(patience)
            see_that_every_column_is_known()
        except (WritersStillRun, ColumnsUnknown):
            finish_forgetting()  # which waits for nobody's data
            raise
        used = _used(orphans)
        DataKey.objects.filter(id__in=used).update(retired_at=None)
        destroyed = delete_keys(DataKey.objects.filter(id__in=set(orphans) - used).exclude(retired_at=None))
        swept, kept = swept + destroyed, kept + len(used)
        progress(len(orphans))
    finish_forgetting()
    if swept or kept:
        tell(KeyEvent(action="keys.orphans_swept", details={"swept": swept, "kept": kept}))
    return Outcome(sentence=f"{swept:,} data keys that nothing was under were destroyed", count=swept)


def _batches() -> Iterable[Sequence[UUID]]:
    """Old data keys that nothing names, or that an earlier sweep had retired."""
    last: UUID | None = UUID(int=0)
    while last is not None:
        rows = list(_old().filter(id__gt=last).order_by("id").values_list("id", "retired_at")[:BATCH])
        used = _used([key_id for key_id, _ in rows])
        found = [key_id for key_id, retired_at in rows if retired_at is not None or key_id not in used]
        if found:
            yield found
        last = rows[-1][0] if rows else None


def _old() -> QuerySet[DataKey]:
    # A controller's own key is made once and may wait for its first secret for ever; no row names one of commitments.
    others = (KeyKind.CONTROLLER_SECRETS, KeyKind.COMMITMENT)
    return DataKey.objects.filter(created_at__lt=clock.now() - AGE).exclude(kind__in=others)


def _used(key_ids: Collection[UUID]) -> set[UUID]:
    used = {file.key_id for file in sealed_files(key_ids)}
    for model in models_with_keys():
        rows = every_row(model).filter(data_key_id__in=key_ids)
        used.update(rows.values_list("data_key_id", flat=True).distinct())
    return used
