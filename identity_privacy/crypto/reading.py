"""Opening personal data: only inside a Reading, which says who reads whose data for which purpose."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity_privacy.actors import Actor
from identity_privacy.crypto.errors import KeyDestroyed, OpenedWithoutReading
from identity_privacy.crypto.keys import unwrap
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.seal import associated_data, open_sealed

Witness: TypeAlias = Callable[["Reading"], None]

_witnesses: list[Witness] = []


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
    _ciphers: dict[UUID, AESGCM] = field(default_factory=dict, init=False, repr=False)
    _token: Token["Reading | None"] | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        for witness in _witnesses:
            witness(self)
        self._token = _active.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _active.reset(self._token)
        self._ciphers.clear()

    def prefetch(self, key_ids: Iterable[UUID]) -> None:
        """Fetch the keys of many rows in one query, so that a list costs none per row."""
        missing = set(key_ids) - self._ciphers.keys()
        keys = DataKey.objects.filter(id__in=missing).select_related("controller_key")
        if self.subject_id is not None:
            keys = keys.filter(subject_id=self.subject_id)
        if self.controller_id is not None:
            keys = keys.filter(controller_key__controller_id=self.controller_id)
        self._ciphers.update(unwrap(keys))

    def cipher(self, key_id: UUID) -> AESGCM:
        """The cipher of one key. Raises: KeyDestroyed; OpenedWithoutReading, for a person whom this does not cover."""
        if key_id not in self._ciphers:
            self.prefetch([key_id])
        if key_id not in self._ciphers:
            if DataKey.objects.filter(id=key_id).exists():
                raise OpenedWithoutReading("this Reading does not cover this person or controller")
            raise KeyDestroyed(key_id)
        return self._ciphers[key_id]

    def open(self, sealed: bytes, *, place: str, row_id: UUID, key_id: UUID) -> bytes:
        """Open one value. Raises: KeyDestroyed; OpenedWithoutReading; WrongPlace."""
        return open_sealed(self.cipher(key_id), sealed, associated_data(place, row_id, key_id))


_active: ContextVar[Reading | None] = ContextVar("reading", default=None)


def active_reading() -> Reading:
    """The Reading that surrounds the caller. Raises: OpenedWithoutReading."""
    reading = _active.get()
    if reading is None:
        raise OpenedWithoutReading("open sealed values inside `with Reading(actor=…, purpose=…, …):`")
    return reading
