"""Rotating the keys of blind indexes: every hash is made anew, while look-ups find and constraints hold at all times.

`index_keys` has the table of states; each `_step` here leads from one of them to the next.
"""

import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import QuerySet

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.crypto.blind_index import normalise
from identity_privacy.crypto.destruction import forget_bytes, note_change
from identity_privacy.crypto.errors import (
    IndexCannotRotate,
    KeyDestroyed,
    RotationRuns,
    UnreadableSeal,
    WritersStillRun,
    WrongPlace,
)
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.fields import BlindIndexField, NextBlindIndexField
from identity_privacy.crypto.index_keys import FIXED, forget_held_index_keys, index_keys, new_index_key
from identity_privacy.crypto.models import IndexKey
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.rotation.alone import alone, step
from identity_privacy.crypto.rotation.known import see_that_every_column_is_known
from identity_privacy.crypto.rotation.outcome import Outcome, Plan, Progress, Unreadable, unseen
from identity_privacy.crypto.rotation.writers import database_of, every_row, wait_for_writers
from identity_privacy.crypto.sealing import blind_indexes_of
from identity_privacy.crypto.terms import IndexKeyState
from identity_privacy.crypto.transactions import ensure_begun
from identity_privacy.errors import Invalid

ROWS: Final = 100
HASH_BYTES: Final = 32
# Beyond the time for which a look-up holds keys: from when it took its hashes until it asked the database.
LOOKUP_SECONDS: Final = 2.0
ACTOR: Final = Actor.service("rotation")


def plan_index(*, controller_id: UUID | None = None, field: str | None = None) -> Plan:
    """What a rotation of blind indexes' keys would do. Raises: IndexCannotRotate."""
    places = _places(controller_id, field)
    rows = sum(column.rows(place).count() for place in places for column in _columns(place))
    steps = sum(column.steps(place) for place in places for column in _columns(place))
    under_way = sum(place.state() is not None for place in places)
    sentence = f"{len(places):,} blind indexes get a new key each, and the hashes of {rows:,} values are made anew"
    if under_way:
        sentence += f"; {under_way:,} of them have it already, from a rotation that was interrupted"
    return Plan(sentence=sentence, total=steps, keys=len(places), unit="hashes")


@alone()
def rotate_index(
    *, controller_id: UUID | None = None, field: str | None = None, patience: float, progress: Progress = unseen
) -> Outcome:
    """Give blind indexes new keys; those whose rotation was interrupted, in whichever state, are only finished.

    It takes at least `KEK_HOLD_SECONDS`: for so long look-ups may hold the keys as they were. Where the data key of a
    value was destroyed, nothing can make its hash anew: it gets one that no look-up finds.

    Raises: IndexCannotRotate; RootKeyUnavailable; RotationRuns; WritersStillRun, after `patience` seconds;
    NotForgotten. Call it again. ColumnsUnknown, where a newer release must do it.
    """
    see_that_every_column_is_known()
    places = _places(controller_id, field)
    details: dict[str, str | int] = {"field": field or "all"}
    tell(KeyEvent(action="keys.index_key_rotation_begun", controller_id=controller_id, details=details))
    rotation = _Rotation(patience, progress)
    rotation.run(places)
    forget_held_index_keys()
    forget_bytes(IndexKey)
    action = "keys.index_key_rotation_unfinished" if rotation.unreadable else "keys.index_key_rotated"
    details |= {"values": rotation.count, "unreadable": len(rotation.unreadable), "destroyed": rotation.destroyed}
    tell(KeyEvent(action=action, controller_id=controller_id, details=details))
    sentence = f"{rotation.ended:,} blind indexes were rotated, the hashes of {rotation.count:,} values made anew"
    if rotation.destroyed:
        sentence += f"; {rotation.destroyed:,} whose data keys were destroyed are found by no look-up any more"
    return Outcome(
        sentence=sentence,
        count=rotation.count,
        unreadable=list(rotation.unreadable.values()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One blind index: of one controller, and of one kind of identifier."""

    controller_id: UUID
    field: str

    def keys(self) -> QuerySet[IndexKey]:
        """Its keys."""
        return IndexKey.objects.filter(controller_id=self.controller_id, field=self.field)

    def state(self) -> IndexKeyState | None:
        """The state of its successor, if there is one."""
        successor = self.keys().exclude(state=IndexKeyState.CURRENT).first()
        return IndexKeyState(successor.state) if successor else None

    def newest(self) -> UUID:
        """The key to which this rotation leads."""
        return self.keys().order_by("-version").values_list("id", flat=True)[0]

    def see(self, newest: UUID, state: IndexKeyState) -> None:
        """See that no other rotation has taken this place further since this one lost its own. Raises: RotationRuns."""
        row = self.keys().order_by("-version").first()
        if row is None or row.id != newest or row.state != state:
            raise RotationRuns("the keys of this blind index were rotated further meanwhile; start this one again")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """An index column of some model, and the one beside it for the next version."""

    model: type[models.Model]
    index: BlindIndexField
    following: NextBlindIndexField

    def rows(self, place: _Place) -> QuerySet[models.Model]:
        """The rows whose value stands in this blind index."""
        names: dict[str, object] = {self.index.controller_field: place.controller_id}
        if self.index.kind_field:
            names[self.index.kind_field] = place.field
        return every_row(self.model).filter(**names, **{f"{self.index.attname}__isnull": False})

    def with_next(self, place: _Place, *, is_filled: bool) -> QuerySet[models.Model]:
        """Those that have a hash under the successor, or lack it."""
        return self.rows(place).filter(**{f"{self.following.attname}__isnull": not is_filled})

    def steps(self, place: _Place) -> int:
        """How many hashes are still written until the rotation of this place has ended: made, copied and cleared."""
        every, filled = self.rows(place).count(), self.with_next(place, is_filled=True)
        state = place.state()
        if state is IndexKeyState.FILLING:
            return 3 * every - filled.count()
        if state is IndexKeyState.TAKING_OVER:
            return filled.exclude(**{self.index.attname: models.F(self.following.attname)}).count() + filled.count()
        return filled.count() if _has_left_over(place) else 3 * every

    def not_found(self) -> dict[str, bytes | None]:
        """What stands in both columns of a row that no look-up finds any more."""
        value = None if self.index.null else os.urandom(HASH_BYTES)
        return {self.index.attname: value, self.following.attname: value}


def _places(controller_id: UUID | None, field: str | None) -> list[_Place]:
    found = IndexKey.objects.order_by("controller_id", "field")
    if field is None:
        found = found.exclude(field__startswith=FIXED)
    if controller_id is not None:
        found = found.filter(controller_id=controller_id)
    if field is not None:
        found = found.filter(field=field)
    places = [
        _Place(controller_id=one, field=name) for one, name in found.values_list("controller_id", "field").distinct()
    ]
    for place in places:
        _columns(place)  # refuse before anything is begun
    return places


def _columns(place: _Place) -> list[_Column]:
    """The columns that a blind index may stand in. Raises: IndexCannotRotate."""
    if place.field.startswith(FIXED):
        raise IndexCannotRotate(f"of what {place.field} indexes no value is kept, so no hash can be made anew")
    columns = []
    for model in apps.get_models():
        for index, following in blind_indexes_of(model):
            if index.model is not model or (index.kind != place.field and not index.kind_field):
                continue
            if following is None:
                raise IndexCannotRotate(
                    f"{model._meta.label}.{index.name} has no NextBlindIndexField(of={index.name!r}) beside it"
                )
            columns.append(_Column(model=model, index=index, following=following))
    return columns


class _Rotation:
    """Takes blind indexes from state to state, all of them side by side: the waits are what takes the time."""

    def __init__(self, patience: float, progress: Progress) -> None:
        self._patience, self._progress = patience, progress
        self._newest: dict[_Place, UUID] = {}
        self.count = self.ended = self.destroyed = 0
        self.unreadable: dict[UUID, Unreadable] = {}

    def run(self, places: Sequence[_Place]) -> None:
        """Finish those that only have their next column left to clear; begin and rotate all others."""
        cleared = [place for place in places if place.state() is None and _has_left_over(place)]
        self._newest = {place: place.newest() for place in cleared}
        self._clear(cleared)
        places = [place for place in places if place not in cleared]
        for place in places:
            _begin(place)
        self._newest |= {place: place.newest() for place in places}
        wait_for_writers(self._patience)  # whoever knows of no successor fills no next column
        places = [place for place in places if self._is_filled(place)]
        self._wait_for_lookups(places)
        for place in places:
            with step():
                filled = place.keys().filter(id=self._newest[place], state=IndexKeyState.FILLING)
                filled.update(state=IndexKeyState.TAKING_OVER)
        wait_for_writers(self._patience)  # whoever fills the index under the current key
        for place in places:
            self._take_over(place)
        see_that_every_column_is_known()
        for place in places:
            _end(place, self._newest[place])
        self._clear(places)

    def _is_filled(self, place: _Place) -> bool:
        """Give every value a hash under the successor; False where one cannot be opened."""
        if place.state() is not IndexKeyState.FILLING:
            return True
        failed = [one for column in _columns(place) for one in self._fill(column, place)]
        self.unreadable |= {one.row_id: one for one in failed}
        return not failed

    def _fill(self, column: _Column, place: _Place) -> list[Unreadable]:
        failed: dict[UUID, Unreadable] = {}
        keys = index_keys(place.controller_id, place.field)

        def fill(rows: Sequence[models.Model]) -> None:
            with Reading(
                actor=ACTOR,
                purpose="key rotation",
                subject_id=None,
                controller_id=place.controller_id,
                reason="make blind indexes anew",
            ) as reading:
                reading.prefetch(row.__dict__["data_key_id"] for row in rows)
                for row in rows:
                    try:
                        value = getattr(row, column.index.of)
                        _, following = keys.stored(normalise(place.field, value))
                    except KeyDestroyed:
                        # Else its hash would keep the old key, by which the person could still be found, for ever.
                        _rows_of(column, [row.pk]).update(**column.not_found())
                        self.destroyed += 1
                        continue
                    except (WrongPlace, UnreadableSeal, Invalid):
                        failed[row.pk] = Unreadable(
                            place=column.model._meta.label_lower, row_id=row.pk, key_id=row.__dict__["data_key_id"]
                        )
                        continue
                    _rows_of(column, [row.pk]).update(**{column.following.attname: following})
                    self.count += 1

        def left() -> QuerySet[models.Model]:
            return column.with_next(place, is_filled=False).exclude(pk__in=list(failed))

        self._each(column, left, fill, lambda: place.see(self._newest[place], IndexKeyState.FILLING))
        return list(failed.values())

    def _wait_for_lookups(self, places: Sequence[_Place]) -> None:
        """Wait until nobody holds the keys as they were before there was a successor."""
        made = [row.created_at for place in places for row in place.keys().filter(state=IndexKeyState.FILLING)]
        last = max(made, default=None)
        if last is not None:
            held_until = last + timedelta(seconds=settings.KEK_HOLD_SECONDS + LOOKUP_SECONDS)
            time.sleep(max(0.0, (held_until - clock.now()).total_seconds()))

    def _take_over(self, place: _Place) -> None:
        for column in _columns(place):
            index, following = column.index.attname, models.F(column.following.attname)

            def copy(rows: Sequence[models.Model]) -> None:
                _rows_of(column, [row.pk for row in rows]).update(**{index: following})  # noqa: B023  # called at once

            filled = column.with_next(place, is_filled=True).exclude(**{index: following})
            self._each(
                column,
                lambda: filled,  # noqa: B023  # likewise
                copy,
                lambda: place.see(self._newest[place], IndexKeyState.TAKING_OVER),
            )

    def _clear(self, places: Sequence[_Place]) -> None:
        """Empty the next columns of those that have no successor any more."""
        if not places:
            return
        wait_for_writers(self._patience)  # whoever still fills them
        for place in places:
            for column in _columns(place):
                name = column.following.attname

                def clear(rows: Sequence[models.Model]) -> None:
                    _rows_of(column, [row.pk for row in rows]).update(**{name: None})  # noqa: B023  # called at once

                self._each(
                    column,
                    lambda: column.with_next(place, is_filled=True),  # noqa: B023  # likewise
                    clear,
                    lambda: place.see(self._newest[place], IndexKeyState.CURRENT),  # noqa: B023  # likewise
                )
            self.ended += 1

    def _each(
        self,
        column: _Column,
        left: Callable[[], QuerySet[models.Model]],
        change: Callable[[Sequence[models.Model]], None],
        see: Callable[[], None],
    ) -> None:
        """Change all rows that are left, some in a transaction; those that another has locked come again later.

        Once `see` has looked in it at the keys, any other rotation waits for the transaction before its next step.
        """
        end = time.monotonic() + self._patience
        using = database_of(column.model)
        while found := list(left().order_by("pk").values_list("pk", flat=True)[: 100 * ROWS]):
            changed = 0
            for at in range(0, len(found), ROWS):
                with transaction.atomic(using=using):
                    ensure_begun(using)
                    see()
                    some = left().filter(pk__in=found[at : at + ROWS])
                    rows = list(some.select_for_update(of=("self",), skip_locked=True))
                    change(rows)
                changed += len(rows)
                self._progress(len(rows))
            if not changed:
                if time.monotonic() > end:
                    raise WritersStillRun("a transaction still holds rows whose hashes are to be made anew; try again")
                time.sleep(0.02)


def _rows_of(column: _Column, ids: Collection[UUID]) -> QuerySet[models.Model]:
    return every_row(column.model).filter(pk__in=ids)


def _has_left_over(place: _Place) -> bool:
    return any(column.with_next(place, is_filled=True).exists() for column in _columns(place))


def _begin(place: _Place) -> None:
    """Make the successor, where there is none yet."""
    with step():
        rows = list(place.keys().select_for_update().order_by("version"))
        if len(rows) == 1:
            version = rows[0].version + 1
            new_index_key(place.controller_id, place.field, version=version, state=IndexKeyState.FILLING).save(
                force_insert=True
            )


def _end(place: _Place, newest: UUID) -> None:
    """The successor becomes the key, and the one from before is gone, in one moment."""
    with step():
        successor = place.keys().select_for_update().filter(id=newest, state=IndexKeyState.TAKING_OVER).first()
        if successor is not None:
            place.keys().filter(state=IndexKeyState.CURRENT).delete()
            note_change(IndexKey)
            successor.state = IndexKeyState.CURRENT
            successor.save(update_fields=["state"])
