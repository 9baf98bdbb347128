"""Opening personal data: only inside a Reading, which says who reads whose data for which purpose."""

import contextlib
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Final, Self, TypeAlias
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.crypto.errors import KeyDestroyed, OpenedWithoutReading, UnreadableSeal, WrongPlace
from identity_privacy.crypto.keys import ciphers_of, unwrap_all, wrapped_keys
from identity_privacy.crypto.models import DataKey, Incident
from identity_privacy.crypto.seal import associated_data, open_sealed
from identity_privacy.errors import IntegrityFailure

Witness: TypeAlias = Callable[["Reading"], None]

_witnesses: list[Witness] = []
# A batch over millions of people keeps the keys of the latest ones only; more would also take longer to make and drop.
MAX_KEYS: Final = 2_000


def witnessed_by(witness: Witness) -> None:
    """Call `witness` whenever a Reading begins, before the first value leaves; the audit log registers here."""
    _witnesses.append(witness)


@dataclass(eq=False, slots=True, kw_only=True)
class Reading:
    """A stated reason to open sealed values; the unwrapped keys live in it and are forgotten with it.

    `subject_id` None means every person (a worker, a batch), `controller_id` None those of several controllers: the
    controllers' staff see in the log the readings that name theirs. Use it as a context manager around the code that
    reads the values *and* renders them; a generator that outlives the block cannot open anything.

    `what` is read, as the log names it: personal data, or a secret shared with a linked system.

    Source: GDPR Art. 5(1)(b) and (f), 5(2).
    """

    actor: Actor
    purpose: str
    subject_id: UUID | None
    reason: str
    controller_id: UUID | None = None
    what: str = "personal_data"
    # By the integer of the key's id, see `ciphers_of`.
    ciphers: dict[int, AESGCM] = field(default_factory=dict, init=False, repr=False)
    _token: Token["Reading | None"] | None = field(default=None, init=False, repr=False)
    # From its entry in the log to its end; a context that was copied meanwhile may still name it afterwards.
    is_open: bool = field(default=False, init=False, repr=False)

    def __enter__(self) -> Self:
        if self._token is not None:
            raise OpenedWithoutReading("a Reading begins once: state a new one")
        for witness in _witnesses:
            witness(self)
        self._token, self.is_open = active.set(self), True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_open = False
        self.ciphers.clear()
        if self._token is not None and active.get() is self:
            with contextlib.suppress(ValueError):  # ended in another context than it began in
                active.reset(self._token)
        # Two generators may end in another order than they began: none that has ended is left behind.
        left = active.get()
        if left is not None and not left.is_open:
            active.set(None)

    def prefetch(self, key_ids: Iterable[UUID]) -> None:
        """Fetch the keys of many rows in one query, so that a list costs none per row. Raises: OpenedWithoutReading."""
        if not self.is_open:
            raise OpenedWithoutReading("this Reading has not begun or has ended")
        missing = {key_id.int for key_id in key_ids} - self.ciphers.keys()
        if not missing:
            return
        surplus = len(self.ciphers) + len(missing) - MAX_KEYS
        for oldest in list(islice(self.ciphers, max(0, surplus))):
            del self.ciphers[oldest]
        self.ciphers.update(ciphers_of(missing, subject_id=self.subject_id, controller_id=self.controller_id))

    def cipher(self, key_id: UUID, *, beside: Iterable[UUID] = ()) -> AESGCM:
        """The cipher of one key; where it must be fetched, those of the rows `beside` come in the same query.

        Raises: KeyDestroyed; OpenedWithoutReading, for a person whom this does not cover.
        """
        if key_id.int not in self.ciphers:
            self.prefetch((key_id, *beside))
        found = self.ciphers.get(key_id.int)
        if found is not None:
            return found
        if DataKey.objects.filter(id=key_id).exists():
            raise OpenedWithoutReading("this Reading does not cover this person or controller")
        raise KeyDestroyed(key_id)

    def open(
        self,
        sealed: bytes,
        *,
        place: str,
        row_id: UUID,
        key_id: UUID,
        beside: Iterable[UUID] = (),
        stored_now: Callable[[], bytes | None] = lambda: None,
    ) -> bytes:
        """Open one value; `stored_now` fetches it anew, where its key was rotated since it was loaded.

        Raises: KeyDestroyed; OpenedWithoutReading; WrongPlace; UnreadableSeal.
        """
        associated = associated_data(place, row_id, key_id)
        try:
            try:
                return open_sealed(self.cipher(key_id, beside=beside), sealed, associated)
            except WrongPlace:
                return self._open_rotated(sealed, associated, key_id, stored_now)
        except (WrongPlace, UnreadableSeal) as error:
            self.report(error, place=place, row_id=row_id, key_id=key_id)
            raise type(error)(f"{place} of row {row_id} under data key {key_id}") from None

    def ciphers_now(self, key_id: UUID) -> list[AESGCM]:
        """The cipher of a key as it stands now and, while it is rotated, the one from before.

        Raises: KeyDestroyed; OpenedWithoutReading.
        """
        self.ciphers.pop(key_id.int, None)
        self.cipher(key_id)  # says why, where there is none
        for key in wrapped_keys([key_id], subject_id=self.subject_id, controller_id=self.controller_id):
            return unwrap_all(key)
        raise KeyDestroyed(key_id)

    def report(self, error: IntegrityFailure, *, place: str, row_id: UUID, key_id: UUID) -> None:
        """Note that a value did not open, for the audit log; the error is raised all the same."""
        # In the keys database, whose transaction is not the one that this error is about to roll back.
        Incident.objects.create(
            at=clock.now(),
            code=error.code,
            place=place,
            row_id=row_id,
            key_id=key_id,
            actor_kind=self.actor.kind.value,
            actor_id=self.actor.id,
            purpose=self.purpose,
            controller_id=self.controller_id,
            subject_id=self.subject_id,
        )

    def _open_rotated(
        self, sealed: bytes, associated: bytes, key_id: UUID, stored_now: Callable[[], bytes | None]
    ) -> bytes:
        """Open a value whose key is being rotated, or was since this Reading fetched it. Raises: WrongPlace."""
        ciphers = self.ciphers_now(key_id)
        for value in (lambda: sealed, stored_now):  # as it was loaded; as a rotation that has ended since sealed it
            for cipher in ciphers:
                with contextlib.suppress(WrongPlace, UnreadableSeal):
                    return open_sealed(cipher, value() or b"", associated)
        raise WrongPlace


active: ContextVar[Reading | None] = ContextVar("reading", default=None)


def active_reading() -> Reading:
    """The Reading that surrounds the caller. Raises: OpenedWithoutReading."""
    reading = active.get()
    if reading is None or not reading.is_open:
        raise OpenedWithoutReading("open sealed values inside `with Reading(actor=…, purpose=…, …):`")
    return reading
