"""The one form in which an entry, a certificate or a receipt is hashed and signed."""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from identity_privacy.audit.models import Entry


def canonical_json(value: Mapping[str, object]) -> bytes:
    """Canonical JSON of a value without floats whose keys are ASCII: there orjson's sorted output is RFC 8785's.

    Raises: ValueError, for a float or a key that is not ASCII.
    """
    _refuse_what_differs(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def entry_bytes(entry: Entry) -> bytes:
    """The bytes of an entry whose hash is its leaf in the log."""
    return canonical_json(entry_object(entry))


def entry_object(entry: Entry) -> dict[str, object]:
    """An entry as JSON, with every stored fact in it."""
    return {
        "id": str(entry.id),
        "at": stamp(entry.at),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id},
        "action": entry.action,
        "target": {"kind": entry.target_kind, "id": entry.target_id},
        "controller": str(entry.controller_id) if entry.controller_id else None,
        "subject": str(entry.subject_id) if entry.subject_id else None,
        "reason": entry.reason,
        "details": entry.details,
    }


def stamp(moment: datetime) -> str:
    """A moment in UTC with microseconds, always in the same form: 2027-03-04T21:36:00.000000Z (RFC 3339)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _refuse_what_differs(value: object) -> None:
    if isinstance(value, float):
        raise ValueError("canonical JSON here holds no floats")  # noqa: TRY004  # the value is wrong, whatever its type
    if isinstance(value, Mapping):
        for key, member in value.items():
            if not key.isascii():
                raise ValueError("canonical JSON here has ASCII keys only")
            _refuse_what_differs(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _refuse_what_differs(member)
