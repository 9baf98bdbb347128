"""Rotating data keys: each keeps its id and gets new material, under which every value of it is sealed anew."""

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from django.db.models import QuerySet

from identity_privacy.crypto.destruction import finish_forgetting, forget_bytes, note_change
from identity_privacy.crypto.errors import WritersStillRun, WrongPlace
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.keys import wrap
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.providers import KEY_BYTES
from identity_privacy.crypto.rotation.alone import alone, step
from identity_privacy.crypto.rotation.known import see_that_every_column_is_known
from identity_privacy.crypto.rotation.materials import Materials, materials_in, materials_of, wrapped_key
from identity_privacy.crypto.rotation.outcome import Outcome, Plan, Progress, Unreadable, unseen
from identity_privacy.crypto.rotation.resealing import reseal
from identity_privacy.crypto.rotation.writers import wait_for_writers
from identity_privacy.crypto.terms import KeyKind

# Keys that are under way at once: each table is asked once for all of them.
BATCH = 300
NOTHING_TO_RESUME: Final = "There is nothing to resume: no rotation of these data keys was interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose data keys: one person's, one owner's (a request, a profile), one controller's, or everybody's."""

    subject_id: UUID | None = None
    owner_id: UUID | None = None
    controller_id: UUID | None = None

    @classmethod
    def everybody(cls) -> Self:
        """All of them."""
        return cls()

    def keys(self) -> QuerySet[DataKey]:
        """These data keys, but for orphans that are about to be swept, and for those of commitments.

        Under these nothing is sealed that could be sealed anew: a commitment holds for its key alone.
        """
        named = {
            "subject_id": self.subject_id,
            "owner_id": self.owner_id,
            "controller_key__controller_id": self.controller_id,
        }
        named_ones = {name: value for name, value in named.items() if value is not None}
        return DataKey.objects.filter(retired_at=None, **named_ones).exclude(kind=KeyKind.COMMITMENT)


def plan_dek(whose: Whose, *, resume: bool = False) -> Plan:
    """What a rotation of data keys would do."""
    under_way = whose.keys().exclude(previous=None)
    fresh = whose.keys().filter(previous=None)
    if resume and not under_way.exists():
        return Plan(sentence=NOTHING_TO_RESUME, total=0, keys=whose.keys().count())
    if resume:
        fresh = fresh.filter(id__gt=_last(under_way))
    total, finished = fresh.count(), under_way.count()
    sentence = f"{total:,} data keys get new material, and every value under them is sealed anew"
    if finished:
        sentence += f"; before that, {finished:,} whose rotation was interrupted are finished"
    return Plan(sentence=sentence, total=total + finished, keys=whose.keys().count())


@alone()
def rotate_dek(whose: Whose, *, resume: bool = False, patience: float, progress: Progress = unseen) -> Outcome:
    """Give data keys new material and seal everything under them anew; those that are under way are only finished.

    `resume` goes on behind the last key that an interrupted rotation had begun with, and begins none where none was
    interrupted; without, no key is passed over.

    1. Make new material for a batch of keys, and keep the old one beside it to open what is under it.
    2. Wait for the transactions of the data that are open. Material to seal with is fetched inside one and forgotten
       with it, so that whatever is sealed after this, by whomever, is under the new: nothing can be added to what is
       left under the old, and a pass over all values that finds nothing more to do is the proof that there is none.
    3. Seal anew until a pass finds nothing. Only then drop the old material.
    4. At the end, overwrite the bytes of the old materials.

    Raises: RootKeyUnavailable; RotationRuns; WritersStillRun, after `patience` seconds; NotForgotten. Call it again.
    ColumnsUnknown, where a newer release must do it.
    """
    see_that_every_column_is_known()
    if resume and not whose.keys().exclude(previous=None).exists():
        finish_forgetting()  # where the interrupted one had come as far as that
        return Outcome(sentence=NOTHING_TO_RESUME, count=0)
    _tell("keys.data_key_rotation_begun", whose, {})
    waiting: Sequence[UUID] = list(whose.keys().exclude(previous=None).order_by("id").values_list("id", flat=True))
    last = _last(whose.keys().exclude(previous=None)) if resume else UUID(int=0)
    finished_first, count = frozenset(waiting), 0
    unreadable: list[Unreadable] = []
    while True:
        # The next keys are begun before these are finished: whenever this dies, `resume` sees how far it had come.
        ids = _fresh(whose, last, finished_first)
        begun = _begin(ids)
        for at in range(0, len(waiting), BATCH):
            wait_for_writers(patience)
            finished, left = _finish(waiting[at : at + BATCH], patience)
            count, unreadable = count + finished, [*unreadable, *left]
            progress(finished)
        if not ids:
            break
        waiting, last = begun, ids[-1]
    forget_bytes()
    action = "keys.data_key_rotation_unfinished" if unreadable else "keys.data_keys_rotated"
    _tell(action, whose, {"rotated": count, "unreadable": len(unreadable)})
    return Outcome(sentence=f"{count:,} data keys were rotated", count=count, unreadable=unreadable)


def _tell(action: str, whose: Whose, details: Mapping[str, str | int]) -> None:
    owner = {"owner": str(whose.owner_id)} if whose.owner_id else {}
    tell(
        KeyEvent(
            action=action,
            controller_id=whose.controller_id,
            subject_id=whose.subject_id,
            details={**owner, **details},
        )
    )


def _last(keys: QuerySet[DataKey]) -> UUID:
    return keys.order_by("-id").values_list("id", flat=True).first() or UUID(int=0)


def _fresh(whose: Whose, after: UUID, but: Collection[UUID]) -> list[UUID]:
    found = whose.keys().filter(previous=None, id__gt=after).exclude(id__in=but).order_by("id")
    return list(found.values_list("id", flat=True)[:BATCH])


def _begin(ids: Sequence[UUID]) -> Sequence[UUID]:
    """Give these keys new material beside the old; those that were destroyed or begun meanwhile are left out."""
    begun = _begin_those(ids, skip_locked=True)
    # What another had locked is waited for one by one: nobody waits for us while we wait for them.
    for key_id in sorted(set(ids) - begun):
        begun |= _begin_those([key_id], skip_locked=False)
    return sorted(begun)


def _begin_those(ids: Sequence[UUID], *, skip_locked: bool) -> set[UUID]:
    with step():
        rows = DataKey.objects.filter(id__in=ids, previous=None).select_for_update(skip_locked=skip_locked)
        begun = set()
        for row in rows:
            key = wrapped_key(row)
            row.previous = key.wrapped
            row.wrapped = wrap(key, os.urandom(KEY_BYTES), controller_key_id=key.controller_key_id)
            row.save(update_fields=["wrapped", "previous"])
            begun.add(row.id)
    return begun


def _finish(ids: Sequence[UUID], patience: float) -> tuple[int, list[Unreadable]]:
    """Carry over everything under these keys and drop their old material; says how many, and what did not open."""
    keys, unreadable = {}, []
    for key_id in ids:
        try:
            materials = materials_of(key_id)
        except WrongPlace:
            unreadable.append(Unreadable(place=DataKey._meta.label_lower, row_id=key_id, key_id=key_id))
            continue
        if materials is not None and materials.previous is not None:
            keys[key_id] = materials
    end = time.monotonic() + patience
    while not (done := reseal(keys)).is_clean():
        if not done.resealed:
            if time.monotonic() > end:
                raise WritersStillRun("a transaction still holds rows that are to be sealed anew; try again")
            time.sleep(0.02)
    see_that_every_column_is_known()
    unreadable += done.unreadable
    for row in done.unreadable:
        keys.pop(row.key_id, None)
    return sum(_is_ended(key_id, materials) for key_id, materials in keys.items()), unreadable


def _is_ended(key_id: UUID, verified: Materials) -> bool:
    """Drop a key's old material, unless the key is not the one under which everything was seen to be."""
    with step():
        row = DataKey.objects.select_for_update().filter(id=key_id).exclude(previous=None).first()
        if row is None or materials_in(row).own_bytes != verified.own_bytes:
            return False
        row.previous = None
        row.save(update_fields=["previous"])
        note_change(DataKey)
    return True
