"""A witness signs a log that only grows, and no other."""

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.audit import offline, services
from identity_privacy.audit.canonical import canonical_json
from identity_privacy.audit.continuity import refuse_unless_continued
from identity_privacy.audit.cosignature import parsed_note
from identity_privacy.audit.errors import LogBehind, LogRenamed
from identity_privacy.audit.models import Cosignature
from identity_privacy.audit.note import signed_checkpoint
from identity_privacy.audit.witness import (
    Ask,
    LogRefused,
    LogUnavailable,
    State,
    Unusable,
    make_key,
    over_http,
    pinned,
    read_key,
)
from identity_privacy.http import Answer
from tests.audit.witnessed import ORIGIN, OTHER, WITNESS, asking, cosigned, grow, log_key, newest, restore, witness
from tests.factories import SERVICE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def trusted(settings: Settings) -> None:
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier), str(OTHER.verifier)]


@pytest.fixture
def ask(client: Client) -> Ask:
    return asking(client)


# --- A log that grows -----------------------------------------------------------------------------------


def test_a_witness_cosigns_what_it_sees_first_and_whatever_goes_on_from_there(ask: Ask, tmp_path: Path) -> None:
    observer = witness(ask, tmp_path)
    for entries in (3, 1, 300):
        checkpoint = grow(entries)
        assert observer.look() == f"{ORIGIN}: {checkpoint.size} entries, cosigned"
        stored = Cosignature.objects.get(size=checkpoint.size)
        assert abs((stored.at - clock.machine_now()).total_seconds()) < 60
    assert observer.look() == f"{ORIGIN}: {newest().size} entries, as before"
    assert Cosignature.objects.count() == 3


def test_the_state_is_the_note_that_was_cosigned_and_its_accounts_alone(ask: Ask, tmp_path: Path) -> None:
    checkpoint = grow(3)
    observer = witness(ask, tmp_path)
    observer.look()
    note = observer.state.path.read_text(encoding="utf-8")
    assert note.startswith(checkpoint.note)
    assert parsed_note(note).cosigned_by(WITNESS.verifier)
    assert observer.state.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [observer.state.path.name]


def test_two_witnesses_sign_the_same_checkpoint(ask: Ask, tmp_path: Path) -> None:
    grow(2)
    for key in (WITNESS, OTHER):
        witness(ask, tmp_path, key=key).look()
    note = parsed_note(json.loads(ask("checkpoint/", None).body)["note"])
    assert all(note.cosigned_by(key.verifier) for key in (WITNESS, OTHER))


def test_what_is_signed_is_stored_before_anybody_has_it(client: Client, tmp_path: Path) -> None:
    checkpoint = grow(3)
    with pytest.raises(LogUnavailable, match="503"):
        witness(asking(client, down=["cosignatures/"]), tmp_path).look()
    observer = witness(asking(client), tmp_path)
    last = observer.state.read()
    assert last is not None
    assert last.size == checkpoint.size
    assert not Cosignature.objects.exists()
    observer.look()  # and is sent again until the log has it
    assert Cosignature.objects.get().size == checkpoint.size


def test_a_witness_that_is_not_trusted_is_told(ask: Ask, tmp_path: Path, settings: Settings) -> None:
    settings.AUDIT_WITNESSES = []
    grow()
    with pytest.raises(LogUnavailable, match="403 not-cosigned"):
        witness(ask, tmp_path).look()


def test_a_witness_that_lost_its_state_takes_up_what_it_signed(ask: Ask, tmp_path: Path) -> None:
    grow(3)
    observer = witness(ask, tmp_path)
    observer.look()
    observer.state.path.unlink()
    observer.look()
    assert observer.state.read() == parsed_note(cosigned_by_log(ask))
    assert Cosignature.objects.count() == 1


def cosigned_by_log(ask: Ask) -> str:
    return str(json.loads(ask("checkpoint/", None).body)["note"])


# --- A log that does not --------------------------------------------------------------------------------


def test_a_log_that_went_back_is_refused_and_shown_what_it_signed(ask: Ask, tmp_path: Path) -> None:
    grow(3)
    observer = witness(ask, tmp_path)
    grow(2)
    observer.look()
    before = observer.state.path.read_bytes()
    restore(3)
    with pytest.raises(LogRefused, match="went back: 5 entries were cosigned, and it shows 3"):
        observer.look()
    assert observer.state.path.read_bytes() == before
    refuse_unless_continued()
    assert "goes on only once it is handed over" in observer.show_last()
    with pytest.raises(LogBehind):
        refuse_unless_continued()
    services.hand_over(actor=SERVICE)
    assert observer.look().startswith(f"{ORIGIN}/epoch-2: ")
    grow()
    assert observer.look().startswith(f"{ORIGIN}/epoch-2: ")
    refuse_unless_continued()


@pytest.mark.parametrize("more", [2, 7], ids=["as many entries", "more entries"])
def test_a_fork_is_refused_and_shown_what_it_signed(ask: Ask, tmp_path: Path, more: int) -> None:
    grow(3)
    grow(2)
    observer = witness(ask, tmp_path)
    observer.look()
    restore(3)
    grow(more)
    with pytest.raises(LogRefused, match=rf"forked: the 5 entries .* beginning of the {3 + more}"):
        observer.look()
    observer.show_last()
    with pytest.raises(LogBehind, match="5 entries"):
        refuse_unless_continued()


def test_a_log_without_a_checkpoint_went_back_where_one_was_cosigned(ask: Ask, tmp_path: Path) -> None:
    observer = witness(ask, tmp_path)
    with pytest.raises(LogUnavailable, match="404"):
        observer.look()
    grow(2)
    observer.look()
    restore(0)
    with pytest.raises(LogRefused, match="2 entries were cosigned, and it shows no checkpoint"):
        observer.look()


def test_a_log_under_another_name_is_refused(ask: Ask, tmp_path: Path, settings: Settings) -> None:
    grow(2)
    witness(ask, tmp_path).look()
    settings.AUDIT_LOG_ORIGIN = "another.example/log"
    with pytest.raises(LogRenamed):
        grow(1)  # it does not go on under another name
    restore(0)
    grow(2)
    with pytest.raises(LogRefused, match=f"was {ORIGIN} and calls itself another.example/log"):
        witness(ask, tmp_path).look()
    with pytest.raises(LogRefused, match="another log"):
        witness(ask, tmp_path / "new", origin=ORIGIN).look()


def test_a_log_that_a_pinned_key_has_not_signed_is_refused(ask: Ask, tmp_path: Path) -> None:
    grow(2)
    stranger = b64encode(bytes(32)).decode()
    with pytest.raises(LogRefused, match="not signed by a key that you trust"):
        witness(ask, tmp_path, log_keys=[stranger]).look()
    assert not list(tmp_path.iterdir())


def test_a_log_that_does_not_show_how_it_went_on_is_refused(client: Client, tmp_path: Path) -> None:
    old = grow(3)
    witness(asking(client), tmp_path).look()
    new = grow(2)
    path = f"consistency/?old={old.size}&new={new.size}"
    for answer in (b"{}", b'{"hashes": []}', b'{"hashes": ["AAAA"]}', b'{"hashes": "AAAA"}', b'{"hashes": [7]}'):
        with pytest.raises(LogRefused):
            witness(asking(client, instead={path: answer}), tmp_path).look()
    with pytest.raises(LogUnavailable):
        witness(asking(client, down=[path]), tmp_path).look()


# --- A log that is handed over --------------------------------------------------------------------------


def test_a_hand_over_that_does_not_hold_what_was_cosigned_is_refused(ask: Ask, tmp_path: Path) -> None:
    grow(3)
    evidence = cosigned(grow(2), OTHER)
    grow(2)
    observer = witness(ask, tmp_path)
    observer.look()
    restore(3)
    witness(ask, tmp_path, key=OTHER).state.write(evidence)
    witness(ask, tmp_path, key=OTHER).show_last()
    services.hand_over(actor=SERVICE)  # from the five entries that the other one has
    with pytest.raises(LogRefused, match=f"does not show that this is from the 7 entries of {ORIGIN}"):
        observer.look()
    observer.show_last()
    services.hand_over(actor=SERVICE)
    assert observer.look().startswith(f"{ORIGIN}/epoch-3: ")


EPOCH_2 = f"{ORIGIN}/epoch-2"


def hand_over(note: str, *, action: str = "log.handed_over", target: str = EPOCH_2) -> dict[str, object]:
    """The entry that hands a log over from a checkpoint."""
    details = {"checkpoints": ["x", note], "kept": [], "missing": []}
    return {"action": action, "target": {"kind": "log", "id": target}, "details": details}


def proven(first: dict[str, object], *, name: str = EPOCH_2, index: int = 0) -> dict[str, object]:
    """What a log answers that has two entries, this one at `index`, and signs that with our key."""
    leaves = [offline.leaf_hash(b"another"), offline.leaf_hash(b"another")]
    leaves[index] = offline.leaf_hash(canonical_json(first))
    note = signed_checkpoint(name, 2, offline.node_hash(*leaves))
    return {"entry": first, "index": index, "hashes": [b64encode(leaves[1 - index]).decode()], "checkpoint": note}


def handed_over_by(client: Client, answer: Mapping[str, object]) -> Ask:
    """The log, as if it had been handed over with this answer."""
    note = signed_checkpoint(EPOCH_2, 2, bytes(32))
    return asking(
        client, instead={"checkpoint/": json.dumps({"note": note}).encode(), "hand-over/": json.dumps(answer).encode()}
    )


def test_the_first_entry_of_an_epoch_hands_it_over(client: Client, tmp_path: Path) -> None:
    last = grow(3)
    witness(asking(client), tmp_path).look()
    observer = witness(handed_over_by(client, proven(hand_over(last.note))), tmp_path)
    with pytest.raises(LogUnavailable, match="409 checkpoint-not-held"):  # our log knows nothing of it
        observer.look()
    stored = observer.state.read()
    assert stored is not None
    assert stored.origin == EPOCH_2


def _forgeries(note: str) -> Mapping[str, Mapping[str, object]]:
    larger = note.replace("\n3\n", "\n4\n")
    return {
        "of another size": proven(hand_over(larger)),
        "another action": proven(hand_over(note, action="log.verified")),
        "of another epoch": proven(hand_over(note, target=f"{ORIGIN}/epoch-3")),
        "the second entry": proven(hand_over(note), index=1),
        "to another log": proven(
            hand_over(note, target="another.example/log/epoch-2"), name="another.example/log/epoch-2"
        ),
        "under the name it had": proven(hand_over(note, target=ORIGIN), name=ORIGIN),
        "changed": proven(hand_over(note)) | {"entry": hand_over(note) | {"reason": "another"}},
        "not proven": proven(hand_over(note)) | {"hashes": []},
        "without details": proven({"action": "log.handed_over", "target": {"kind": "log", "id": EPOCH_2}}),
        "without what is missing": proven(hand_over(note) | {"details": {"checkpoints": [note], "kept": []}}),
        "deep": proven(hand_over(note)) | {"entry": json.loads('{"a":' * 900 + "1" + "}" * 900)},
        "not signed": proven(hand_over(note)) | {"checkpoint": f"{EPOCH_2}\n2\n{note[-10:]}"},
        "empty": {},
    }


def test_nothing_else_hands_it_over(client: Client, tmp_path: Path, subtests: pytest.Subtests) -> None:
    last = grow(3)
    observer = witness(asking(client), tmp_path)
    observer.look()
    before = observer.state.read()
    for how, answer in _forgeries(last.note).items():
        with subtests.test(how), pytest.raises(LogRefused):
            witness(handed_over_by(client, answer), tmp_path).look()
        assert observer.state.read() == before


def test_an_epoch_before_the_one_that_was_cosigned_is_refused(client: Client, tmp_path: Path) -> None:
    older = json.dumps({"note": grow(3).note}).encode()
    grow(1)
    observer = witness(asking(client), tmp_path)
    observer.look()
    restore(3)
    observer.show_last()
    services.hand_over(actor=SERVICE)
    observer.look()
    with pytest.raises(
        LogRefused, match=rf"{newest().size} entries of {EPOCH_2} were cosigned, .* shows 3 of {ORIGIN}"
    ):
        witness(asking(client, instead={"checkpoint/": older}), tmp_path).look()


# --- Noise ----------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(lambda raw: raw.hex()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["note", "hashes", "entry", "checkpoint", "details", "index"])
ANSWERS = st.binary() | st.dictionaries(MEMBERS, VALUES).map(lambda members: json.dumps(members).encode())


@given(ANSWERS, st.integers(100, 599), st.booleans())
@effort(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_from_the_log_raises_our_errors_alone(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, status: int, is_ok: bool
) -> None:
    def ask(path: str, sent: bytes | None = None) -> Answer:
        return Answer(status=200 if is_ok else status, headers={}, body=body)

    observer = witness(ask, tmp_path_factory.mktemp("witness"))
    with pytest.raises((LogRefused, LogUnavailable)):
        observer.look()
    observer.state.write(cosigned_at_will(3))
    with pytest.raises((LogRefused, LogUnavailable)):
        observer.look()
    assert observer.show_last()


@given(ANSWERS, st.sampled_from([ORIGIN, EPOCH_2]))
@effort(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_behind_a_signed_checkpoint_raises_our_errors_alone(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, name: str
) -> None:
    newest_note = json.dumps({"note": signed_checkpoint(name, 9, bytes(32))}).encode()

    def ask(path: str, sent: bytes | None = None) -> Answer:
        return Answer(status=200, headers={}, body=newest_note if path == "checkpoint/" else body)

    observer = witness(ask, tmp_path_factory.mktemp("witness"))
    observer.state.write(cosigned_at_will(3))
    with pytest.raises((LogRefused, LogUnavailable)):
        observer.look()


def cosigned_at_will(size: int) -> str:
    note = signed_checkpoint(ORIGIN, size, b"some root of some entries, 32 b.")
    return note + WITNESS.cosign(parsed_note(note).text, at=1)


# --- Its files ------------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_for_its_account_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = make_key(path, "witness.example/w1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path).verifier == made
    with pytest.raises(Unusable, match="cannot be made"):
        make_key(path, "witness.example/w1")
    assert read_key(path).verifier == made


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb", "a\x1fb", "\ud800", "w" * 65])
def test_a_name_that_no_note_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unusable):
        make_key(tmp_path / "key", name)
    assert not list(tmp_path.iterdir())


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(Unusable):
        read_key(path)
    make_key(path, "w")
    path.chmod(0o640)
    with pytest.raises(Unusable, match="chmod 600"):
        read_key(path)
    path.chmod(0o600)
    for content in (b"", b"\xff", str(WITNESS.verifier).encode(), b"PRIVATE+KEY+w+00000000+" + bytes(44)):
        path.write_bytes(content)
        with pytest.raises(Unusable) as refused:
            read_key(path)
        assert content.decode(errors="replace") not in str(refused.value) or not content


def test_a_state_that_cannot_be_read_is_no_fresh_beginning(ask: Ask, tmp_path: Path) -> None:
    grow()
    observer = witness(ask, tmp_path)
    for content in (b"", b"\xff", b"a note"):
        observer.state.path.write_bytes(content)
        with pytest.raises(Unusable):
            observer.look()
        assert observer.state.path.read_bytes() == content


def test_a_state_is_whole_whatever_was_left_behind(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.path.with_name("state.new").write_text("half", encoding="utf-8")
    state.write(cosigned_at_will(3))
    assert state.read() == parsed_note(cosigned_at_will(3))
    with pytest.raises(Unusable, match="cannot be written"):
        State(tmp_path / "missing" / "state").write("")


def test_two_witnesses_do_not_work_on_one_state(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with state.alone(), pytest.raises(Unusable, match="another witness"), state.alone():
        pass
    with state.alone():
        pass
    with pytest.raises(Unusable), State(tmp_path / "missing" / "state").alone():
        pass


@pytest.mark.parametrize(
    "url", ["", "privacy.example.com", "http://privacy.example.com", "https://10.0.0.1", "ftp://x"]
)
def test_an_address_that_is_not_https_is_refused(url: str) -> None:
    with pytest.raises(Unusable):
        over_http(url)


def test_a_log_key_must_be_whole() -> None:
    assert pinned([log_key()]).keys
    for keys in ([], ["sha256:00"], ["%"]):
        with pytest.raises(Unusable):
            pinned(keys)


def test_a_log_that_nobody_runs_gives_no_answer() -> None:
    with pytest.raises(LogUnavailable, match="no_connection"):
        over_http("http://127.0.0.1:9")("checkpoint/", None)


@pytest.mark.parametrize("interval", ["-1", "0", "0.05", "nan", "inf", "1e12", "soon"])
def test_an_interval_that_is_none_is_refused(interval: str, tmp_path: Path) -> None:
    given = ["--key-file", "key", "--state", "state", "--log-key", "key", "--interval", interval]
    with pytest.raises(CommandError, match=r"a number of seconds from 0\.1 to 604800"):
        call_command("audit", "witness", "https://privacy.example", *given)
