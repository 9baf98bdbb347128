"""What is done with keys, and every value that did not open, stands in the log."""

from uuid import UUID, uuid4

import pytest

from identity_privacy import clock
from identity_privacy.actors import ActorKind
from identity_privacy.audit import services
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.tasks import sequence
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.models import Incident

pytestmark = pytest.mark.django_db

CONTROLLER, PERSON = UUID(int=1), UUID(int=2)


def test_a_change_of_keys_is_entered_with_whose_they_are() -> None:
    tell(
        KeyEvent(
            action="keys.destroyed", controller_id=CONTROLLER, subject_id=PERSON, reason="asked", details={"keys": 3}
        )
    )
    entry = Entry.objects.get()
    assert (entry.actor_kind, entry.actor_id) == ("service", "keys")
    assert (entry.action, entry.reason, entry.details) == ("keys.destroyed", "asked", {"keys": 3})
    assert (entry.controller_id, entry.subject_id) == (CONTROLLER, PERSON)
    assert entry.target_id == str(PERSON)
    tell(KeyEvent(action="keys.root_rotated"))
    assert Entry.objects.get(action="keys.root_rotated").target_id == "all"


def make_incident() -> Incident:
    return Incident.objects.create(
        at=clock.now(),
        code="wrong-place",
        place="profiles.identifier.value",
        row_id=uuid4(),
        key_id=uuid4(),
        actor_kind=ActorKind.USER.value,
        actor_id="dana",
        purpose="answer a request",
        controller_id=CONTROLLER,
        subject_id=PERSON,
    )


def test_a_value_that_did_not_open_is_taken_over_with_who_read_it() -> None:
    incident = make_incident()
    sequence()
    entry = Entry.objects.get()
    assert (entry.id, entry.at) == (incident.id, incident.at)
    assert entry.action == "value.unreadable"
    assert (entry.actor_kind, entry.actor_id) == ("user", "dana")
    assert entry.target_id == str(incident.row_id)
    assert entry.purpose == "answer a request"
    assert entry.details == {
        "code": "wrong-place",
        "place": "profiles.identifier.value",
        "data_key": str(incident.key_id),
    }
    assert Sequenced.objects.get().entry_id == entry.id
    assert Incident.objects.count() == 0
    assert verify_log() == 1


def test_taking_over_that_died_in_between_enters_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    make_incident()

    def die(self: Incident) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Incident, "delete", die)
        with pytest.raises(KeyboardInterrupt):
            services.take_over_incidents()
    assert services.take_over_incidents() == 1
    assert Entry.objects.count() == 1
    assert services.take_over_incidents() == 0
