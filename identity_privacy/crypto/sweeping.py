"""Orphans: data keys under which nothing was ever written, because whoever made them died before."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from identity_privacy import clock
from identity_privacy.crypto.destruction import forget_bytes
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.files import sealed_files
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.rotation.outcome import Outcome, Plan, Progress, unseen
from identity_privacy.crypto.rotation.writers import database_of, models_with_keys, wait_for_writers
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.terms import KeyKind

# A key is committed before the first value under it: one as old as this has waited long enough.
AGE: Final = timedelta(hours=24)
BATCH: Final = 1_000


def plan_sweep() -> Plan:
    """What a sweep would do."""
    count = sum(len(orphans) for orphans in _batches())
    return Plan(sentence=f"{count:,} data keys older than 24 hours, which nothing is under, are destroyed", total=count)


def sweep_orphans(*, patience: float, progress: Progress = unseen) -> Outcome:
    """Destroy data keys older than 24 hours that no row and no registered file names; safe to repeat.

    1. Retire them: from now on nobody begins to write under them.
    2. Wait for the transactions of the data that are open: whoever had begun has then ended.
    3. Look again. What is named now was in use after all and comes back; the others are destroyed.

    Raises: WritersStillRun, after `patience` seconds; NotForgotten. Call it again.
    """
    swept = kept = 0
    for orphans in _batches():
        DataKey.objects.filter(id__in=orphans, retired_at=None).update(retired_at=clock.now())
        wait_for_writers(patience)
        used = _used(orphans)
        with transaction.atomic(using=KEYS):
            DataKey.objects.filter(id__in=used).update(retired_at=None)
            destroyed, _ = DataKey.objects.filter(id__in=set(orphans) - used).exclude(retired_at=None).delete()
        swept, kept = swept + destroyed, kept + len(used)
        progress(len(orphans))
    forget_bytes()
    if swept or kept:
        tell(KeyEvent(action="keys.orphans_swept", details={"swept": swept, "kept": kept}))
    return Outcome(sentence=f"{swept:,} data keys that nothing was under were destroyed", count=swept)


def orphans_waiting() -> int:
    """How many data keys a sweep was about to destroy when it was interrupted."""
    return DataKey.objects.exclude(retired_at=None).count()


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
    # A controller's own key is made once and may wait for its first secret for ever.
    return DataKey.objects.filter(created_at__lt=clock.now() - AGE).exclude(kind=KeyKind.CONTROLLER_SECRETS)


def _used(key_ids: Collection[UUID]) -> set[UUID]:
    used = {file.key_id for file in sealed_files(key_ids)}
    for model in models_with_keys():
        rows = model._base_manager.using(database_of(model)).filter(data_key_id__in=key_ids)
        used.update(rows.values_list("data_key_id", flat=True).distinct())
    return used
