"""Rotating the root key: what hangs on it is wrapped anew under the newest; no data is touched."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from identity_privacy.crypto.controller_keys import forget_held_keys, unwrap_controller_key, wrap_controller_key
from identity_privacy.crypto.destruction import forget_bytes
from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.models import ControllerKey, SigningKey
from identity_privacy.crypto.providers import (
    RootKeyProvider,
    begin_root_rotation,
    end_root_rotation,
    newest_only,
    provider,
)
from identity_privacy.crypto.rotation.alone import alone, step
from identity_privacy.crypto.rotation.outcome import Outcome, Plan, Progress, Unreadable, unseen
from identity_privacy.crypto.rotation.writers import wait_for_key_makers
from identity_privacy.crypto.signing import unwrap_signing_key, wrap_signing_key


def plan_root() -> Plan:
    """What a rotation of the root key would do. Raises: RootKeyUnavailable."""
    provider()
    controllers, signing = ControllerKey.objects.count(), SigningKey.objects.count()
    sentence = (
        f"{controllers:,} controller keys and {signing:,} signing keys are wrapped anew under the newest root key"
    )
    count = controllers + signing
    return Plan(sentence=sentence, total=count, keys=count)


@alone()
def rotate_root(*, patience: float, progress: Progress = unseen) -> Outcome:
    """Wrap every controller key and signing key under the newest root key, then drop the older ones.

    1. See that there is a newer root key.
    2. Wait for the transactions of the keys that are open: later ones wrap under the newest.
    3. Wrap everything anew, row by row.
    4. See that the newest alone opens everything; only then drop the others.

    Raises: RootKeyUnavailable; RotationRuns; WritersStillRun, after `patience` seconds; NotForgotten. Call it again.
    """
    sentence = begin_root_rotation()
    tell(KeyEvent(action="keys.root_rotation_begun", details={"how": sentence}))
    wait_for_key_makers(patience)
    unreadable = []
    for one in _hanging():
        if not one.is_wrapped_anew(provider()):
            unreadable.append(one.named())
        progress(1)
    if not unreadable:
        verified = _opens_everything()
        with step():
            sentence = end_root_rotation(verified)
    forget_held_keys()
    forget_bytes(ControllerKey, SigningKey)
    count = sum(1 for _ in _hanging()) - len(unreadable)
    details: dict[str, str | int] = {"wrapped": count, "unreadable": len(unreadable)}
    action = "keys.root_rotation_unfinished" if unreadable else "keys.root_rotated"
    tell(KeyEvent(action=action, details=details))
    return Outcome(
        sentence=f"{count:,} keys hang on the newest root key. {sentence}", count=count, unreadable=unreadable
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hanging:
    """One row that the root key wraps, by whichever table it stands in."""

    model: type[ControllerKey] | type[SigningKey]
    id: UUID

    def is_wrapped_anew(self, root: RootKeyProvider) -> bool:
        """Wrap it under the newest; False where it opens under none. A row that is gone needs nothing."""
        with step():
            row = self.model.objects.select_for_update().filter(id=self.id).first()
            try:
                if isinstance(row, ControllerKey):
                    row.wrapped = wrap_controller_key(row, unwrap_controller_key(row, root), root)
                elif row is not None:
                    row.wrapped = wrap_signing_key(row, unwrap_signing_key(row, root), root)
            except WrongPlace:
                return False
            if row is not None:
                row.save(update_fields=["wrapped"])
        return True

    def opens_by(self, root: RootKeyProvider) -> bool:
        """Whether this root key opens it."""
        row = self.model.objects.filter(id=self.id).first()
        try:
            if isinstance(row, ControllerKey):
                unwrap_controller_key(row, root)
            elif row is not None:
                unwrap_signing_key(row, root)
        except WrongPlace:
            return False
        return True

    def named(self) -> Unreadable:
        """For the operator."""
        return Unreadable(place=self.model._meta.label_lower, row_id=self.id, key_id=self.id)


def _hanging() -> Iterator[_Hanging]:
    models: tuple[type[ControllerKey] | type[SigningKey], ...] = (ControllerKey, SigningKey)
    for model in models:
        for row_id in model.objects.order_by("id").values_list("id", flat=True):
            yield _Hanging(model=model, id=row_id)


def _opens_everything() -> RootKeyProvider:
    """The newest root key, once it is seen that nothing hangs on older ones. Raises: RootKeyUnavailable."""
    root = newest_only()
    if not all(one.opens_by(root) for one in _hanging()):
        raise RootKeyUnavailable("a key still hangs on an older root key; run `manage.py keys rotate-root` again")
    return root
