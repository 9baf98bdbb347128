"""After a restore from an older backup whoever was erased is erased again, and nobody else."""

import pytest

from dsar.services import replay_erasures
from dsar.services.fulfilment import what_is_left
from dsar.services.replaying import Replay
from dsar.terms import RequestKind
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.errors import KeyDestroyed
from identity_privacy.crypto.models import DataKey
from profiles.models import Attribute, Identifier, Profile
from tests.backups import back_up, restore
from tests.cast import Cast
from tests.dsar.world import answered, reading

OPERATOR = Actor.service("restore")


def erase_alice_then_restore(cast: Cast) -> None:
    back_up()
    answered(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    assert what_is_left(cast.alice) == {}
    restore()


def test_whoever_a_backup_brought_back_is_gone_and_all_others_are_whole(cast: Cast) -> None:
    before = {row.id for row in Attribute.objects.exclude(profile_id=cast.alice)}
    erase_alice_then_restore(cast)
    assert Identifier.objects.filter(profile_id=cast.alice).exists(), "the backup brought her back"
    with reading(cast.alice), pytest.raises(KeyDestroyed):
        [row.value for row in Attribute.objects.about(cast.alice)]

    assert replay_erasures(actor=OPERATOR) == Replay(looked_for=1, erased_again=1)

    assert what_is_left(cast.alice) == {}
    assert Profile.objects.get(id=cast.alice).erased_at is not None
    assert {row.id for row in Attribute.objects.all()} == before
    entry = Entry.objects.get(action="subject.erased_again")
    assert (entry.actor_id, entry.subject_id, entry.controller_id) == ("restore", cast.alice, cast.lindwerk.id)
    assert entry.details["rows"] > 5


def test_keys_that_came_back_with_a_backup_of_the_keys_are_destroyed_again(cast: Cast) -> None:
    (key,) = DataKey.objects.filter(subject_id=cast.alice, kind="profile")
    erase_alice_then_restore(cast)
    key.save(force_insert=True)
    replay_erasures(actor=OPERATOR)
    assert what_is_left(cast.alice) == {}
    assert not DataKey.objects.filter(id=key.id).exists()


def test_it_can_be_repeated(cast: Cast) -> None:
    erase_alice_then_restore(cast)
    replay_erasures(actor=OPERATOR)
    entries = Entry.objects.count()
    assert replay_erasures(actor=OPERATOR) == Replay(looked_for=1, erased_again=0)
    assert Entry.objects.count() == entries


def test_one_killed_between_rows_and_keys_is_finished_by_the_next(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    (key,) = DataKey.objects.filter(subject_id=cast.alice, kind="profile")
    erase_alice_then_restore(cast)
    key.save(force_insert=True)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("dsar.services.replaying.destroy_subject_keys", die)
        with pytest.raises(KeyboardInterrupt):
            replay_erasures(actor=OPERATOR)
    assert replay_erasures(actor=OPERATOR).erased_again == 1
    assert what_is_left(cast.alice) == {}
