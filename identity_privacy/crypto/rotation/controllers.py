"""Rotating controllers' keys: what hangs on one is wrapped anew under its successor; no data is touched."""

import time
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet

from identity_privacy import clock
from identity_privacy.crypto.controller_keys import forget_held_keys, kek, new_controller_key
from identity_privacy.crypto.destruction import forget_bytes, note_change
from identity_privacy.crypto.errors import WritersStillRun, WrongPlace
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.index_keys import index_key_place
from identity_privacy.crypto.keys import material, wrap
from identity_privacy.crypto.models import ControllerKey, DataKey, IndexKey
from identity_privacy.crypto.rotation.alone import alone, step
from identity_privacy.crypto.rotation.materials import wrapped_key
from identity_privacy.crypto.rotation.outcome import Outcome, Plan, Progress, Unreadable, unseen
from identity_privacy.crypto.rotation.writers import wait_for_key_makers
from identity_privacy.crypto.seal import open_sealed, seal

BATCH = 500


def plan_kek(*, controller_id: UUID | None = None) -> Plan:
    """What a rotation of controllers' keys would do."""
    keys = _in_scope(controller_id)
    begun = set(keys.exclude(retired_at=None).values_list("controller_id", flat=True))
    count = keys.filter(retired_at=None).count()
    hanging = DataKey.objects.filter(controller_key__in=keys).count()
    hanging += IndexKey.objects.filter(controller_key__in=keys).count()
    sentence = f"{count:,} controller keys get a successor each, on which {hanging:,} keys are hung"
    if begun:
        sentence += f"; {len(begun):,} of them have it already, from a rotation that was interrupted"
    return Plan(sentence=sentence, total=hanging, keys=count)


@alone()
def rotate_kek(*, controller_id: UUID | None = None, patience: float, progress: Progress = unseen) -> Outcome:
    """Give controllers new keys and hang everything on them; one whose rotation was interrupted is only finished.

    Raises: RootKeyUnavailable; RotationRuns; WritersStillRun, after `patience` seconds; NotForgotten. Call it again.
    """
    tell(KeyEvent(action="keys.controller_key_rotation_begun", controller_id=controller_id))
    _begin(controller_id)
    retired = {row.id: row for row in _in_scope(controller_id).exclude(retired_at=None)}
    current = {row.controller_id: row for row in _in_scope(controller_id).filter(retired_at=None)}
    successors = {key_id: current[row.controller_id] for key_id, row in retired.items()}
    mover = _Mover(successors, progress)
    end = time.monotonic() + patience
    # Whoever read the current key before it was retired may still hang a new key on it, and does so in a transaction
    # that is open now: whoever begins later reads the successor.
    wait_for_key_makers(patience)
    while True:
        moved = mover.move_everything()
        left = [key_id for key_id in retired if not _is_deleted(key_id)]
        if not left or (mover.unreadable and not moved):
            break
        if not moved and time.monotonic() > end:
            raise WritersStillRun("keys under a controller's old key are held by a transaction; try again")
        if not moved:
            time.sleep(0.02)
    forget_held_keys()
    forget_bytes(DataKey, IndexKey, ControllerKey)
    count, unreadable = mover.count, list(mover.unreadable.values())
    details: dict[str, str | int] = {"wrapped": count, "unreadable": len(unreadable)}
    action = "keys.controller_key_rotation_unfinished" if left else "keys.controller_key_rotated"
    tell(KeyEvent(action=action, controller_id=controller_id, details=details))
    sentence = f"{len(retired) - len(left):,} controller keys were rotated, {count:,} keys wrapped anew"
    return Outcome(sentence=sentence, count=count, unreadable=unreadable)


def _in_scope(controller_id: UUID | None) -> QuerySet[ControllerKey]:
    return (
        ControllerKey.objects.all()
        if controller_id is None
        else ControllerKey.objects.filter(controller_id=controller_id)
    )


def _begin(controller_id: UUID | None) -> None:
    """Retire each current key whose controller has no retired one, and make its successor; all of them or none."""
    with step():
        rows = list(_in_scope(controller_id).select_for_update().order_by("id"))
        begun = {row.controller_id for row in rows if row.retired_at is not None}
        for row in rows:
            if row.controller_id not in begun:
                row.retired_at = clock.now()
                row.save(update_fields=["retired_at"])
                new_controller_key(row.controller_id).save(force_insert=True)


def _is_deleted(key_id: UUID) -> bool:
    try:
        with step():
            ControllerKey.objects.filter(id=key_id).delete()
            note_change(ControllerKey)
            note_change(DataKey)
    except IntegrityError:
        return False
    return True


class _Mover:
    """Hangs keys on the successors of theirs, and remembers what did not open."""

    def __init__(self, successors: Mapping[UUID, ControllerKey], progress: Progress) -> None:
        self._successors, self._progress = successors, progress
        self.count = 0
        self.unreadable: dict[UUID, Unreadable] = {}

    def move_everything(self) -> int:
        """Go through both tables once; says how many keys were moved."""
        before = self.count
        for model in (DataKey, IndexKey):
            # By id, so that each batch begins where the last one ended: the column has no index.
            last: UUID | None = UUID(int=0)
            while last is not None:
                last = self._move_batch(model, last)
        return self.count - before

    def _move_batch(self, model: type[DataKey] | type[IndexKey], after: UUID) -> UUID | None:
        # Passing over what another has locked, we never wait while we hold locks; the next time through finds it.
        with step():
            rows: Iterable[DataKey | IndexKey] = (
                model.objects.filter(controller_key__in=self._successors, id__gt=after)
                .exclude(id__in=self.unreadable)
                .select_for_update(skip_locked=True)
                .order_by("id")[:BATCH]
            )
            moved, last = 0, None
            for row in rows:
                last = row.id
                moved += self._is_moved(row)
        self.count += moved
        self._progress(moved)
        return last

    def _is_moved(self, row: DataKey | IndexKey) -> bool:
        successor = self._successors[row.controller_key_id]
        try:
            if isinstance(row, DataKey):
                key, to = wrapped_key(row), successor.id.bytes
                row.wrapped = wrap(key, material(key, key.wrapped), controller_key_id=to)
                if key.previous is not None:
                    row.previous = wrap(key, material(key, key.previous), controller_key_id=to)
            else:
                place = index_key_place(row.controller_id, row.field, row.id)
                opened = open_sealed(kek(row.controller_key_id.bytes), bytes(row.wrapped), place)
                row.wrapped = seal(kek(successor.id.bytes), opened, place)
        except WrongPlace:
            self.unreadable[row.id] = Unreadable(place=row._meta.label_lower, row_id=row.id, key_id=row.id)
            return False
        row.controller_key = successor
        row.save(update_fields=["controller_key", "wrapped", *(["previous"] if isinstance(row, DataKey) else [])])
        return True
