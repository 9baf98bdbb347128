"""The one form in which an entry, a certificate or a receipt is hashed and signed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import orjson

from identity_privacy.audit.models import Entry

# Beyond, RFC 8785 would write a number as the nearest double.
LARGEST: Final = 2**53 - 1


def canonical_json(value: Mapping[str, object]) -> bytes:
    """Canonical JSON of a value without floats whose keys are ASCII: there orjson's sorted output is RFC 8785's.

    Raises: ValueError, for a float, a number beyond 2**53, a key that is not ASCII, or text that is no Unicode.
    """
    _refuse_what_differs(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"canonical JSON here holds text, numbers, lists and objects: {error}") from None


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
        "purpose": entry.purpose,
        "origin": {"request": entry.request_id, "network": entry.network},
        "details": entry.details,
        "commitments": entry.commitments,
    }


def stamp(moment: datetime) -> str:
    """A moment in UTC with microseconds, always in the same form: 2027-03-04T21:36:00.000000Z (RFC 3339)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _refuse_what_differs(value: object) -> None:
    if isinstance(value, str) or value is None:  # nearly all of them, so asked first
        return
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > LARGEST):
        raise ValueError("canonical JSON here holds no floats and no numbers beyond 2**53")
    if isinstance(value, Mapping):
        for key, member in value.items():
            if not key.isascii():
                raise ValueError("canonical JSON here has ASCII keys only")
            _refuse_what_differs(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _refuse_what_differs(member)
