"""What the browsers that were here know, sealed under the secret in each one's cookie (`SESSION_ENGINE`).

Whoever has the database, its backups and all keys reads no session and can enter none: a row is found by a hash of the
cookie and opens with the cookie. A sign-in ends before its session does, which may follow a request for longer.
"""

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from uuid_utils.compat import uuid7

from identity_privacy.access.models import Session, User
from identity_privacy.access.terms import SIGNED_IN_AT_MOST, SIGNED_IN_IDLE
from identity_privacy.clock import machine_now
from identity_privacy.crypto.errors import UnreadableSeal, WrongPlace
from identity_privacy.crypto.holding import HeldSecret

# The request that this browser may follow, also when nobody is signed in any more: its person may be erased.
FOLLOWED: Final = "followed_request"
# The code that this browser was sent and waits for.
AWAITED: Final = "sign_in_code"
# At which controller its user has signed in.
CONTROLLER: Final = "controller"
# Set where a member of staff has shown a second factor, or their provider vouches for it.
SECOND_FACTOR: Final = "second_factor"
_PLACE: Final = "access.session.payload"
# How much later than it was a session is said to be seen, so that not every page writes.
_TOUCH: Final = timedelta(minutes=1)


class SessionStore(SessionBase):
    """One browser's session."""

    _row_id: UUID | None = None
    # When it was last used before, of one that is not over.
    _seen_at: datetime | None = None

    def load(self) -> dict[str, Any]:
        """What the session knows; of a sign-in that is over, nothing but the request that is followed."""
        moment, own = machine_now(), self._own()
        row = Session.objects.filter(lookup=own.lookup, expires_at__gt=moment).first()
        known: dict[str, Any] = {}
        if row is not None:
            with contextlib.suppress(WrongPlace, UnreadableSeal, ValueError):  # whoever changed it has ended it
                known = json.loads(own.open(bytes(row.payload), row_id=row.id))
        if row is None or not known:
            self._session_key = None
            return {}
        self._row_id = row.id
        if _is_over(row, known):
            return {FOLLOWED: known[FOLLOWED]} if FOLLOWED in known else {}
        self._seen_at = row.seen_at
        return known

    def touch(self) -> None:
        """Somebody has used the session, so that the half hour begins anew; written down once a minute at most."""
        moment = machine_now()
        if self._row_id and self._seen_at is not None and moment - self._seen_at > _TOUCH:
            Session.objects.filter(id=self._row_id).update(seen_at=moment)
            self._seen_at = moment

    def flush(self) -> None:
        """End it, and begin another as nobody."""
        super().flush()
        self._row_id = self._seen_at = None

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session."""
        return Session.objects.filter(lookup=HeldSecret(_PLACE, session_key).lookup).exists()

    def create(self) -> None:
        """Begin a session under a new secret."""
        self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]  # not in the stubs
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Store what it knows. Raises: UpdateError, where it was ended meanwhile."""
        if self.session_key is None:
            self.create()
            return
        known: Mapping[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # as above
        own, moment = self._own(), machine_now()
        if must_create:
            self._row_id = uuid7()
            Session.objects.create(
                id=self._row_id, lookup=own.lookup, begun_at=moment, **self._stored(known, own, self._row_id)
            )
        elif self._row_id is None or not Session.objects.filter(id=self._row_id).update(
            **self._stored(known, own, self._row_id)
        ):
            raise UpdateError

    def delete(self, session_key: str | None = None) -> None:
        """End it."""
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(lookup=HeldSecret(_PLACE, key).lookup).delete()

    @classmethod
    def clear_expired(cls) -> None:
        """Delete what no cookie opens any more."""
        Session.objects.filter(expires_at__lt=machine_now()).delete()

    @property
    def row_id(self) -> UUID | None:
        """The id of the session, which opens nothing."""
        return self._row_id

    def _own(self) -> HeldSecret:
        return HeldSecret(_PLACE, self.session_key or "")

    def _stored(self, known: Mapping[str, Any], own: HeldSecret, row_id: UUID) -> dict[str, Any]:
        moment = machine_now()
        return {
            "user_id": _user_id(known),
            "payload": own.seal(json.dumps(known).encode(), row_id=row_id),
            "seen_at": moment,
            "expires_at": moment + timedelta(seconds=self.get_expiry_age()),
        }


def _is_over(row: Session, known: Mapping[str, Any]) -> bool:
    """Whether somebody had signed in and is no longer."""
    moment = machine_now()
    is_late = moment - row.seen_at >= SIGNED_IN_IDLE or moment - row.begun_at >= SIGNED_IN_AT_MOST
    return SESSION_KEY in known and is_late


def _user_id(known: Mapping[str, Any]) -> UUID | None:
    # A person's row may be gone by the time that their session is saved: they were erased.
    user_id = known.get(SESSION_KEY)
    return User.objects.filter(pk=user_id).values_list("pk", flat=True).first() if user_id else None
