"""How the keys stand: how many there are, which rotations are under way and how far, what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Count

from identity_privacy.crypto.controller_keys import unwrap_controller_key
from identity_privacy.crypto.destruction import last_backup_ends_on, unfinished
from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.models import ControllerKey, DataKey, Incident, IndexKey, SigningKey, Tombstone
from identity_privacy.crypto.providers import newest_only, provider, root_key_path
from identity_privacy.crypto.providers.local import KeyFile
from identity_privacy.crypto.terms import IndexKeyState, KeyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One that was begun and has not ended; `verb` finishes it."""

    verb: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The keys as they are; of people only their number."""

    root_key_problem: str
    data_keys: Sequence[tuple[KeyKind, int]]
    controller_keys: int
    index_keys: int
    signing_keys: int
    rotations: Sequence[Rotation]
    retired: int
    destroyed_people: int
    not_forgotten_people: int
    not_forgotten_in: Sequence[str]
    backups_end_on: date | None
    incidents: int


def standing() -> Standing:
    """Count everything; opens controllers' keys to see that they open, and shows none."""
    counted = DataKey.objects.values("kind").annotate(count=Count("id")).order_by("kind")
    problem, rotations = _root()
    return Standing(
        root_key_problem=problem,
        data_keys=[(KeyKind(row["kind"]), row["count"]) for row in counted],
        controller_keys=ControllerKey.objects.filter(retired_at=None).count(),
        index_keys=IndexKey.objects.filter(state=IndexKeyState.CURRENT).count(),
        signing_keys=SigningKey.objects.count(),
        rotations=[*rotations, *_controllers(), *_data_keys(), *_index_keys()],
        retired=DataKey.objects.exclude(retired_at=None).count(),
        destroyed_people=Tombstone.objects.count(),
        not_forgotten_people=Tombstone.objects.filter(forgotten_at=None).count(),
        not_forgotten_in=unfinished(),
        backups_end_on=last_backup_ends_on(),
        incidents=Incident.objects.count(),
    )


def _root() -> tuple[str, Sequence[Rotation]]:
    """What keeps the root key from opening controllers' keys, and how many need one from before."""
    older = 0
    try:
        root, newest, path = provider(), newest_only(), root_key_path()
        is_alone = path is None or len(KeyFile(path).read()) == 1
        for row in ControllerKey.objects.all():
            try:
                unwrap_controller_key(row, newest)
            except WrongPlace:
                unwrap_controller_key(row, root)
                older += 1
    except RootKeyUnavailable as error:
        return str(error), []
    except WrongPlace:
        return f"no root key that there is opens the key of controller {row.controller_id}", []
    if not older and is_alone:
        return "", []
    return "", [
        Rotation(verb="rotate-root", sentence=f"an older root key is there; {older:,} controller keys hang on it")
    ]


def _controllers() -> Sequence[Rotation]:
    retired = ControllerKey.objects.exclude(retired_at=None)
    if not (count := retired.count()):
        return []
    left = DataKey.objects.filter(controller_key__in=retired).count()
    left += IndexKey.objects.filter(controller_key__in=retired).count()
    sentence = f"{count:,} controller keys have a successor, and {left:,} keys still hang on them"
    return [Rotation(verb="rotate-kek", sentence=sentence)]


def _data_keys() -> Sequence[Rotation]:
    if not (count := DataKey.objects.exclude(previous=None).count()):
        return []
    sentence = f"{count:,} data keys have new material and still need the one from before"
    return [Rotation(verb="rotate-dek --resume", sentence=sentence)]


def _index_keys() -> Sequence[Rotation]:
    return [
        Rotation(
            verb=f"rotate-index --controller={row.controller_id} --kind={row.field}",
            sentence=f"the blind index {row.field} of controller {row.controller_id} has a successor: {row.state}",
        )
        for row in IndexKey.objects.exclude(state=IndexKeyState.CURRENT).order_by("controller_id", "field")
    ]
