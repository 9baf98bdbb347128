"""The stand-alone verifier takes what was signed, says what is wrong with anything else, and never stumbles."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from identity_privacy.audit import merkle, offline
from identity_privacy.audit.offline import Pinned, Unverified, canonical, canonical_line, leaf_hash
from tests.audit.verifier import ORIGIN, Signer, said, verify

OURS, STRANGER, WITNESS = Signer(1), Signer(2), Signer(3)
NAME = "wächter.example/w1"
LINES = [canonical({"action": "test.done", "details": {"number": at}, "id": f"entry {at}"}) for at in range(20)]


def checked(
    lines: list[bytes], note: str, *keys: str, origin: str = "", witnesses: list[str] | None = None, previous: str = ""
) -> str:
    """The last that is said of a log."""

    def checks() -> Iterator[str]:
        pinned = Pinned(keys or [OURS.key], origin=origin, witnesses=witnesses or [])
        yield from offline.verify_log(lines, note, pinned, previous=previous or None)

    return said(checks())[-1]


def hash_alone(line: bytes) -> bytes:
    return b'{"leaf":"' + b64encode(leaf_hash(line)) + b'"}'


# --- The log ----------------------------------------------------------------------------------------


def test_a_log_is_exactly_what_was_signed() -> None:
    assert said(offline.verify_log(LINES, OURS.note_of(LINES), Pinned([OURS.key]))) == [
        f"ok      checkpoint of 20 entries of {ORIGIN}: signed by a key that you trust",
        "ok      all 20 entries: exactly what was signed",
        "verified",
    ]


def test_an_empty_log_is_one_too() -> None:
    assert checked([], OURS.note_of([])) == "verified"


def test_an_entry_may_stand_there_as_its_hash_and_that_is_said() -> None:
    lines = [hash_alone(line) if at % 2 else line for at, line in enumerate(LINES)]
    told = said(offline.verify_log(lines, OURS.note_of(LINES), Pinned([OURS.key])))
    assert told[-2:] == ["ok      of 10 of them the file holds the hash alone, not what they say", "verified"]


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        (LINES[:-1], "the log ends at line 19, and the checkpoint states 20 entries"),
        ([*LINES, LINES[0]], "line 21 is more than the checkpoint states"),
        ([LINES[1], LINES[0], *LINES[2:]], "do not lead to the signed root"),
        ([LINES[0].replace(b"done", b"gone"), *LINES[1:]], "do not lead to the signed root"),
        ([hash_alone(b"another"), *LINES[1:]], "do not lead to the signed root"),
        ([*LINES[:3], b'{"leaf":"AAAA"}', *LINES[4:]], "line 4 is neither an entry nor an entry's hash"),
        ([*LINES[:3], hash_alone(LINES[3]) + b" ", *LINES[4:]], "line 4 "),
        ([*LINES[:3], hash_alone(LINES[3]).replace(b"}", b',"x":1}'), *LINES[4:]], "line 4 "),
    ],
)
def test_what_is_wrong_is_named(lines: list[bytes], finding: str) -> None:
    told = checked(lines, OURS.note_of(LINES))
    assert told.startswith("FAILED")
    assert finding in told


# Each reads as an object; what another program would make of it may differ.
NOT_CANONICAL = [
    b'{"a": 1}',
    b' {"a":1}',
    b'{"a":1}\r',
    b'{"b":1,"a":1}',
    b'{"a":1,"a":1}',
    b'{"a":1,"a":2}',
    b'{"a":1.0}',
    b'{"a":1e2}',
    b'{"a":-0}',
    b'{"a":9007199254740992}',
    b'{"a":-9007199254740993}',
    b'{"a":' + b"9" * 5_000 + b"}",
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":"\\u0041"}',
    b'{"a":"\\/"}',
    b'{"a":"\\u000a"}',
    b'{"a":"\\u00E4"}',
    b'{"a":"\\ud800"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xff"}',
    b'{"a":"\t"}',
    b'\xef\xbb\xbf{"a":1}',
    b'{"a":1}{"a":1}',
    b"[1]",
    b'"a"',
    b"1",
    b"null",
    b"",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
]


@pytest.mark.parametrize("line", NOT_CANONICAL, ids=lambda line: str(line[:20]))
def test_a_line_that_programs_might_read_differently_is_named_though_it_was_signed(line: bytes) -> None:
    lines = [*LINES[:3], line, *LINES[4:]]
    told = checked(lines, OURS.note_of(lines))
    if line == NOT_CANONICAL[-1] and told == "verified":
        return  # nested deeply, but not too deeply for every version of Python
    assert told.startswith("FAILED")
    assert "line 4" in told or "nested too deeply" in told


def test_text_in_any_language_is_canonical() -> None:
    lines = [canonical({"reason": text}) for text in ("ä €", "日本", "😀", '"\\\n\x1f\x7f', "\u2028", "")]
    assert checked(lines, OURS.note_of(lines)) == "verified"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), VALUES), st.data())
def test_a_line_that_is_taken_is_what_other_programs_write_too(value: dict[str, object], data: st.DataObject) -> None:
    line = canonical(value)
    assert canonical_line(line, 1) == value
    changed = bytearray(line)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(changed)))
        changed[at : at + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from([b"", b'"', b"\\", b":", b"0"]))
    with suppress(Unverified):
        canonical_line(bytes(changed), 1)
        assert rfc8785.dumps(json.loads(changed)) == changed


def test_a_line_without_end_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "LONGEST_LINE", 1000)
    (tmp_path / "log").write_bytes(LINES[0] + b"\n" + b'{"a":"' + b"a" * 2_000)
    with (tmp_path / "log").open("rb") as opened, pytest.raises(Unverified, match="too long"):
        list(offline.lines_of(opened))


# --- Whom one trusts --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [STRANGER.key, STRANGER.fingerprint, OURS.fingerprint, "AAAA", "", "no base64"])
def test_a_checkpoint_by_another_key_or_by_one_that_is_not_at_hand_does_not_verify(key: str) -> None:
    assert checked(LINES, OURS.note_of(LINES), key).startswith("FAILED")


def test_one_of_several_signatures_is_enough() -> None:
    """As while the key is rotated."""
    ours, theirs = OURS.note_of(LINES), STRANGER.note_of(LINES)
    both = ours + theirs.partition("\n\n")[2]
    for key in (OURS.key, STRANGER.key):
        assert checked(LINES, both, key) == "verified"
    assert checked(LINES, both, WITNESS.key).startswith("FAILED")


def test_the_log_is_the_one_that_it_must_be() -> None:
    note = OURS.note_of(LINES)
    assert checked(LINES, note, origin=ORIGIN) == "verified"
    assert checked(LINES, note, origin="another.example/log") == f"FAILED  the checkpoint is of another log: {ORIGIN}"


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: note.replace("\n20\n", "\n020\n"),
        lambda note: note.replace("\n20\n", "\n-20\n"),
        lambda note: note.replace("\n20\n", f"\n{'9' * 5_000}\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.replace(ORIGIN, f"{ORIGIN}\x1b[2J"),
        lambda note: note.replace(ORIGIN, "\ud800"),
        lambda note: note.rstrip("\n"),
        lambda note: note[: len(note) // 2],
        lambda note: f"{note}more",
        lambda note: f"{note}— somebody AAA\n",
        lambda note: "",
    ],
)
def test_a_note_that_is_not_as_it_was_signed_does_not_verify(damage: object) -> None:
    assert callable(damage)
    assert checked(LINES, damage(OURS.note_of(LINES))).startswith("FAILED")


def test_a_witness_that_one_demands_must_have_cosigned() -> None:
    note, keys = OURS.note_of(LINES), [WITNESS.verifier_key(NAME)]
    cosigned = WITNESS.cosigned(note, NAME)
    told = said(offline.verify_log(LINES, cosigned, Pinned([OURS.key], witnesses=keys)))
    assert told[0].endswith(f"signed by a key that you trust, cosigned by {NAME} at 2027-01-15T08:00:00Z")
    assert told[-1] == "verified"
    assert checked(LINES, cosigned) == "verified"  # by whoever does not know it
    for wrong in (
        note,
        STRANGER.cosigned(note, NAME),
        WITNESS.cosigned(note, "another"),
        cosigned.replace("/w1", "/w2"),
    ):
        assert checked(LINES, wrong, witnesses=keys) == f"FAILED  the checkpoint is not cosigned by {NAME}"
    other = WITNESS.cosigned(OURS.note_of(LINES[1:]), NAME).splitlines(keepends=True)[-1]
    assert checked(LINES, note + other, witnesses=keys).startswith("FAILED")


def test_every_witness_that_one_demands_must_have_cosigned() -> None:
    keys = [WITNESS.verifier_key(NAME), STRANGER.verifier_key("two")]
    one = WITNESS.cosigned(OURS.note_of(LINES), NAME)
    assert checked(LINES, one, witnesses=keys) == "FAILED  the checkpoint is not cosigned by two"
    assert checked(LINES, STRANGER.cosigned(one, "two"), witnesses=keys) == "verified"


def test_a_witnesss_time_may_be_any_number() -> None:
    note = WITNESS.cosigned(OURS.note_of(LINES), NAME, at=2**64 - 1)
    assert checked(LINES, note, witnesses=[WITNESS.verifier_key(NAME)]) == "verified"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+00000000",
        WITNESS.verifier_key(NAME).replace(NAME, "another"),
        WITNESS.verifier_key(NAME)[:-4],
        f"{NAME}+00000000+{WITNESS.key}",
        "\udcff+00000000+BAAA",
    ],
)
def test_what_is_no_witnesss_key_is_refused(key: str) -> None:
    note = WITNESS.cosigned(OURS.note_of(LINES), NAME)
    assert checked(LINES, note, witnesses=[key]).startswith("FAILED")


def test_a_fingerprint_is_enough_where_the_key_lies_beside_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"".join(line + b"\n" for line in LINES))
    (tmp_path / "checkpoint").write_text(OURS.note_of(LINES))
    command = ["log", "log.jsonl", "checkpoint", "--log-key"]
    assert verify(*command, OURS.fingerprint, cwd=tmp_path).returncode == 1
    (tmp_path / "checkpoint.keys").write_text(f"{STRANGER.key}\n{OURS.key}\n")
    assert verify(*command, OURS.fingerprint, cwd=tmp_path).returncode == 0
    assert verify(*command, WITNESS.fingerprint, cwd=tmp_path).returncode == 1


def test_what_a_file_says_cannot_make_the_terminal_say_it() -> None:
    lines: list[str] = []
    offline.report(iter(["a\nverified\n\x1b[2Jb\u202e"]), lines.append)
    assert lines == ["ok      a\\u000averified\\u000a\\u001b[2Jb\\u202e", "verified"]


# --- An older checkpoint ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 8, 13, 20])
def test_a_log_goes_on_from_an_older_checkpoint(size: int) -> None:
    older = OURS.note_of(LINES[:size])
    told = said(offline.verify_log(LINES, OURS.note_of(LINES), Pinned([OURS.key]), previous=older))
    assert told[1] == f"ok      the first {size} entries are those of the older checkpoint"
    assert told[-1] == "verified"


def test_a_log_that_was_forked_since_does_not_go_on() -> None:
    forked = [LINES[0].replace(b"done", b"gone"), *LINES[1:]]
    assert checked(forked, OURS.note_of(forked)) == "verified"
    assert checked(forked, OURS.note_of(forked), previous=OURS.note_of(LINES[:8])) == (
        "FAILED  the first 8 entries are not those of the older checkpoint"
    )


def test_a_log_that_was_cut_since_does_not_go_on() -> None:
    cut = LINES[:10]
    assert checked(cut, OURS.note_of(cut), previous=OURS.note_of(LINES)).startswith("FAILED  the first 20")


def test_an_older_checkpoint_is_worth_what_its_signature_is() -> None:
    assert checked(LINES, OURS.note_of(LINES), previous=STRANGER.note_of(LINES[:8])).startswith("FAILED")


def hand_over(*notes: str, origin: str = f"{ORIGIN}/epoch-2", action: str = "log.handed_over") -> list[bytes]:
    """A log that was opened anew and names these checkpoints first."""
    details = {"checkpoints": list(notes), "kept": [], "missing": [f"{ORIGIN} 18-19"]}
    first = {"action": action, "details": details, "target": {"id": origin, "kind": "log"}}
    return [canonical(first), *LINES]


def test_a_log_that_was_opened_anew_goes_on_from_the_checkpoint_that_it_names() -> None:
    older, other = OURS.note_of(LINES), OURS.note_of(LINES[:8])
    lines = hand_over(older)
    note = OURS.note_of(lines, origin=f"{ORIGIN}/epoch-2")
    told = said(offline.verify_log(lines, note, Pinned([OURS.key]), previous=older))
    assert told[1] == (
        f"ok      line 1 hands the log over from the older checkpoint of 20 entries; what is missing: {ORIGIN} 18-19"
    )
    assert told[-1] == "verified"
    cosigned = WITNESS.cosigned(older, NAME)
    assert checked(lines, note, previous=cosigned) == "verified", "the same checkpoint with more signatures"
    assert "but not from this checkpoint of 8 entries" in checked(lines, note, previous=other)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        LINES,
        hand_over(),
        hand_over(OURS.note_of(LINES), origin="another.example/log/epoch-2"),
        hand_over(OURS.note_of(LINES), action="log.verified"),
        [hash_alone(hand_over(OURS.note_of(LINES))[0]), *LINES],
        [canonical({"action": "log.handed_over"}), *LINES],
        [canonical({"action": "log.handed_over", "target": {"id": f"{ORIGIN}/epoch-2"}}), *LINES],
        [canonical({"action": "log.handed_over", "target": {"id": f"{ORIGIN}/epoch-2"}, "details": {}}), *LINES],
    ],
)
def test_a_log_that_was_opened_anew_and_names_no_checkpoint_does_not_go_on(lines: list[bytes]) -> None:
    note = OURS.note_of(lines, origin=f"{ORIGIN}/epoch-2")
    assert checked(lines, note, previous=OURS.note_of(LINES)).startswith("FAILED")


@pytest.mark.parametrize("origin", [ORIGIN, f"{ORIGIN}/epoch-2", f"{ORIGIN}/epoch-3"])
def test_a_log_is_handed_over_forwards_alone(origin: str) -> None:
    older = OURS.note_of(LINES, origin=f"{ORIGIN}/epoch-3")
    lines = hand_over(older, origin=origin)
    if origin == f"{ORIGIN}/epoch-3":  # the same epoch does not begin twice
        assert checked(lines, OURS.note_of(lines, origin=origin), previous=older).startswith("FAILED  the first 20")
    else:
        answer = checked(lines, OURS.note_of(lines, origin=origin), previous=older)
        assert answer == f"FAILED  line 1 does not hand the log over from {ORIGIN}/epoch-3"


@pytest.mark.parametrize("left_out", ["missing", "kept", "checkpoints"])
def test_a_hand_over_that_does_not_say_what_is_missing_is_none(left_out: str) -> None:
    older = OURS.note_of(LINES)
    details = {"checkpoints": [older], "kept": [], "missing": []}
    del details[left_out]
    target = {"id": f"{ORIGIN}/epoch-2", "kind": "log"}
    lines = [canonical({"action": "log.handed_over", "details": details, "target": target}), *LINES]
    note = OURS.note_of(lines, origin=f"{ORIGIN}/epoch-2")
    assert checked(lines, note, previous=older) == f"FAILED  {left_out} is missing or no list"


@pytest.mark.parametrize("key", ["abc", "", "AAAA", "sha256:zz", "sha256:", "SHA256:0011", OURS.key[:-4]])
def test_a_mistyped_key_is_said_to_be_one(key: str) -> None:
    with pytest.raises(offline.Unverified, match=r"one was mistyped|not base64"):
        Pinned([key])


def test_a_key_is_known_by_its_fingerprint_however_that_is_written() -> None:
    digest = hashlib.sha256(b64decode(OURS.key)).hexdigest()
    for written in (f"sha256:{digest}", f"SHA256:{digest.upper()}", f" sha256:{digest}\n"):
        assert Pinned([written]).trust(b64decode(OURS.key))


def test_another_log_does_not_go_on_from_it() -> None:
    older = OURS.note_of(LINES, origin="another.example/log")
    lines = hand_over(older)
    note = OURS.note_of(lines, origin=f"{ORIGIN}/epoch-2")
    assert checked(lines, note, previous=older).startswith("FAILED  line 1 does not hand the log over from another")
    assert checked(LINES, OURS.note_of(LINES), previous=older).startswith("FAILED")


# --- Proofs and growth ------------------------------------------------------------------------------


def node(level: int, index: int) -> bytes:
    """Of the tree over LINES."""
    if level == 0:
        return leaf_hash(LINES[index])
    return offline.node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))


def proof(index: int, /, **changes: object) -> bytes:
    hashes = [b64encode(part).decode() for part in merkle.inclusion_proof(index, len(LINES), node)]
    return canonical({"entry": json.loads(LINES[index]), "hashes": hashes, "index": index, **changes})


def proven(*lines: bytes) -> list[str]:
    return [*said(offline.verify_proofs(lines, OURS.note_of(LINES), Pinned([OURS.key])))]


def test_entries_are_proven_and_what_stands_between_them_is_not_claimed() -> None:
    assert proven(proof(2), proof(5), proof(19))[1:] == ["ok      3 entries: each stands in the log", "verified"]


def test_entries_without_a_gap_are_said_to_be_all_of_them() -> None:
    assert proven(*map(proof, range(12, 20)))[2] == "ok      there are no others in it from index 12 to 19"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [proof(2), proof(2)],
        [proof(5), proof(2)],
        [proof(2, index=3)],
        [proof(2, index=-1)],
        [proof(2, index="2")],
        [proof(2, index=True)],
        [proof(2, hashes=[])],
        [proof(2, hashes="")],
        [proof(2, hashes=[1])],
        [proof(2, hashes=["AAAA"])],
        [proof(2, entry={"id": "another"})],
        [proof(2, entry=[])],
        [proof(2) + b" "],
        [proof(2, verdict="nothing was changed")],
        [LINES[2]],
        [hash_alone(LINES[2])],
    ],
)
def test_what_is_not_proven_does_not_verify(lines: list[bytes]) -> None:
    assert proven(*lines)[-1].startswith("FAILED")


def grown(older: str, newer: str, **proof: object) -> str:
    return said(offline.verify_growth(older, newer, proof, Pinned([OURS.key])))[-1]


@pytest.mark.parametrize(("old", "new"), [(0, 20), (1, 20), (8, 20), (13, 20), (20, 20), (7, 9)])
def test_growth_is_proven(old: int, new: int) -> None:
    hashes = [b64encode(part).decode() for part in merkle.consistency_proof(old, new, node)]
    older, newer = OURS.note_of(LINES[:old]), OURS.note_of(LINES[:new])
    assert grown(older, newer, old=old, new=new, hashes=hashes) == "verified"
    forked = OURS.note(old, bytes(32))
    if old:
        assert "is not the beginning" in grown(forked, newer, old=old, new=new, hashes=hashes)


@pytest.mark.parametrize(
    "wrong", [{"old": 9}, {"new": 19}, {"old": "8"}, {"hashes": []}, {"hashes": None}, {"hashes": [["AA=="]]}]
)
def test_a_proof_of_other_growth_does_not_verify(wrong: dict[str, object]) -> None:
    hashes = [b64encode(part).decode() for part in merkle.consistency_proof(8, 20, node)]
    right: dict[str, object] = {"old": 8, "new": 20, "hashes": hashes}
    older, newer = OURS.note_of(LINES[:8]), OURS.note_of(LINES)
    assert grown(older, newer, **right) == "verified"
    assert grown(older, newer, **{**right, **wrong}).startswith("FAILED")


def test_growth_is_that_of_one_log() -> None:
    older = OURS.note_of(LINES[:8], origin="another.example/log")
    hashes = [b64encode(part).decode() for part in merkle.consistency_proof(8, 20, node)]
    assert "another log" in grown(older, OURS.note_of(LINES), old=8, new=20, hashes=hashes)


def test_sizes_that_shrink_do_not_verify() -> None:
    sizes = [20, 8]
    for old, new in pairwise(sizes):
        told = grown(OURS.note_of(LINES[:old]), OURS.note_of(LINES[:new]), old=old, new=new, hashes=[])
        assert told.startswith("FAILED")


def test_a_file_that_is_no_text_is_said_in_one_line(tmp_path: Path) -> None:
    for name in ("one", "other", "proof"):
        (tmp_path / name).write_bytes(b"\xff\xfe")
    ran = verify("growth", "one", "other", "proof", "--log-key", OURS.key, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "FAILED  other is not UTF-8\n")
