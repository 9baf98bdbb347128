"""A witness: it runs on a machine of its own, sees that the log only grows, and signs the checkpoints that show it.

Each round, in this order:

1. Fetch the newest checkpoint. A key of the log that was pinned must have signed it.
2. It must go on from the one that was cosigned last: the same; or of more entries, with the proof that those were only
   added to (RFC 9162, 2.1.4.2); or of a later epoch whose first entry hands over from exactly that checkpoint.
3. Cosign it, store it, and only then send it to the log: what others may rely on is never forgotten.

A log that does not go on from there went back or was forked. Then nothing is signed, and the log is shown what was
cosigned last: it signed that itself, so that it can neither deny it nor go on before it is handed over.

Nothing here needs the service's databases or keys. Source: C2SP tlog-witness, of which the checks and their order are
taken; here the witness asks the log, since a log behind a company's door calls nobody.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeAlias

from identity_privacy import clock
from identity_privacy.audit import offline
from identity_privacy.audit.cosignature import (
    KEY_BYTES,
    LONGEST_NAME,
    CosigningKey,
    Note,
    VerifierKey,
    cosigning_key,
    parsed_note,
)
from identity_privacy.http import AddressRefused, Answer, Client, NoAnswer, Policy, check_url

# Asks the log at a path below its API, by POST where there is a body. Raises: LogUnavailable.
Ask: TypeAlias = Callable[[str, bytes | None], Answer]

# Who runs a witness typed the address: it may be in the company's own network.
POLICY: Final = Policy(allow_loopback=True, allow_private=True, timeout_seconds=30.0)
CHECKPOINT, CONSISTENCY, HAND_OVER, COSIGNATURES = "checkpoint/", "consistency/", "hand-over/", "cosignatures/"
NOT_HELD: Final = "checkpoint-not-held"


class LogRefused(Exception):
    """The log does not go on from what was cosigned, or does not show that it does; the text says how."""


class LogUnavailable(Exception):
    """The log gave no answer that anything could be told from; asking again may help."""


class Unusable(Exception):
    """The witness's own key, state or address cannot be used."""


def over_http(url: str) -> Ask:
    """Ask the log of the service at this address. Raises: Unusable."""
    base = f"{url.rstrip('/')}/api/v1/audit/"
    try:
        check_url(base, POLICY)
    except AddressRefused as error:
        raise Unusable(f"{url}: {error}") from None

    def ask(path: str, body: bytes | None = None) -> Answer:
        try:
            return asyncio.run(_called(f"{base}{path}", body))
        except (AddressRefused, NoAnswer) as error:
            raise LogUnavailable(f"the log gives no answer: {error}") from None

    return ask


async def _called(url: str, body: bytes | None) -> Answer:
    async with Client(POLICY) as client:
        if body is None:
            return await client.get(url, headers={"Accept": "application/json"})
        return await client.post(url, body=body, headers={"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One witness of one log; `origin` is the name that the log must have, where that is known beforehand."""

    ask: Ask
    log_keys: offline.Pinned
    key: CosigningKey
    state: "State"
    origin: str = ""

    def look(self) -> str:
        """One round; says what came of it. Raises: LogRefused; LogUnavailable; Unusable."""
        last = self.state.read()
        note = self._newest(last)
        if last is not None:
            note = self._following(last, note)
        return self._cosigned(note, last)

    def show_last(self) -> str:
        """Show the log what was cosigned last, as evidence; says what came of it. Raises: Unusable."""
        last = self.state.read()
        if last is None:
            return "nothing was cosigned yet that could be shown"
        try:
            answer = self._sent(_written(last))
        except LogUnavailable as error:
            return f"it could not be shown what was cosigned last: {error}"
        if answer.status == HTTPStatus.OK:
            return "it was shown what was cosigned last, and holds that"
        if _problem(answer) == NOT_HELD:
            return "it was shown what it had signed and does not hold, and goes on only once it is handed over"
        return f"it was shown what was cosigned last, and answered {answer.status} {_problem(answer)}".rstrip()

    def _newest(self, last: Note | None) -> Note:
        answer = self.ask(CHECKPOINT, None)
        if answer.status == HTTPStatus.NOT_FOUND and last is not None:
            raise LogRefused(f"the log went back: {last.size} entries were cosigned, and it shows no checkpoint")
        if answer.status != HTTPStatus.OK:
            raise LogUnavailable(f"the log answers {answer.status} instead of a checkpoint")
        note = self._verified(_document(answer.body).get("note"))
        name, _ = _epoch(note.origin)
        if name != (self.origin or name):
            raise LogRefused(f"this is another log: {note.origin}")
        return note

    def _verified(self, text: object) -> Note:
        """A checkpoint that a pinned key has signed. Raises: LogRefused."""
        try:
            note = parsed_note(str(text))
            offline.read_checkpoint(str(text), self.log_keys, origin=note.origin)
        except offline.Unverified as error:
            raise LogRefused(str(error)) from None
        return note

    def _following(self, last: Note, note: Note) -> Note:
        """The checkpoint that goes on from the one before: `note`, or the one that its epoch is handed over with."""
        (name, epoch), (last_name, last_epoch) = _epoch(note.origin), _epoch(last.origin)
        if name != last_name:
            raise LogRefused(f"the log was {last.origin} and calls itself {note.origin}")
        if epoch < last_epoch:
            raise LogRefused(
                f"the log went back: {last.size} entries of {last.origin} were cosigned, "
                f"and it shows {note.size} of {note.origin}"
            )
        if epoch > last_epoch:
            return self._handed_over(last)
        if note.size < last.size:
            raise LogRefused(f"the log went back: {last.size} entries were cosigned, and it shows {note.size}")
        proof = self._growth(last.size, note.size) if note.size > last.size else []
        if not offline.is_consistent(last.size, note.size, last.root, note.root, proof):
            raise LogRefused(
                f"the log was forked: the {last.size} entries that were cosigned are not the beginning of the "
                f"{note.size} that it shows"
            )
        return note

    def _growth(self, old: int, new: int) -> list[bytes]:
        return _hashes(self._fact(f"{CONSISTENCY}?old={old}&new={new}"))

    def _handed_over(self, last: Note) -> Note:
        """The newest checkpoint of an epoch whose first entry holds the one that was cosigned last."""
        proven = self._fact(HAND_OVER)
        note = self._verified(proven.get("checkpoint"))
        (name, epoch), (last_name, last_epoch) = _epoch(note.origin), _epoch(last.origin)
        # Under the name that it had, a log that begins with a hand-over would be a fork.
        if name != last_name or epoch <= last_epoch:
            raise LogRefused(f"the log was {last.origin} and is handed over to {note.origin}")
        if not _hands_over(proven, note, last):
            raise LogRefused(
                f"the log goes on as {note.origin} with {note.size} entries, and does not show that this is from the "
                f"{last.size} entries of {last.origin} that were cosigned"
            )
        return note

    def _fact(self, path: str) -> Mapping[str, object]:
        """What the log must be able to show, as it signed a checkpoint of it. Raises: LogRefused; LogUnavailable."""
        answer = self.ask(path, None)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise LogUnavailable(f"the log answers {answer.status}")
        if answer.status != HTTPStatus.OK:
            raise LogRefused(f"the log does not show how it went on: it answers {answer.status} to {path}")
        return _document(answer.body)

    def _cosigned(self, note: Note, last: Note | None) -> str:
        try:
            standing = note.cosigned_by(self.key.verifier)
        except offline.Unverified as error:
            raise LogRefused(str(error)) from None
        entries = f"{note.origin}: {note.size} entries"
        if last and last.origin != note.origin:
            entries += f", handed over from {last.size} entries of {last.origin}"
        if standing and last and last.text == note.text:
            return f"{entries}, as before"
        line = standing[1] if standing else self.key.cosign(note.text, at=int(clock.machine_now().timestamp()))
        own = "".join(made.line for made in note.signatures if made.name == note.origin)
        cosigned = f"{note.text}\n{own}{line}"
        self.state.write(cosigned)
        if not standing:
            self._deliver(cosigned)
        return f"{entries}, cosigned"

    def _deliver(self, note: str) -> None:
        answer = self._sent(note)
        if answer.status != HTTPStatus.OK:
            raise LogUnavailable(
                f"the log does not take the cosignature: it answers {answer.status} {_problem(answer)}".rstrip()
            )

    def _sent(self, note: str) -> Answer:
        return self.ask(COSIGNATURES, json.dumps({"note": note}).encode())


@dataclass(frozen=True, slots=True)
class State:
    """The file with the checkpoint that was cosigned last: a note, which any tool for such notes reads."""

    path: Path

    def read(self) -> Note | None:
        """What was cosigned last; nothing where the file is not there yet. Raises: Unusable."""
        try:
            return parsed_note(self.path.read_bytes().decode())
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, offline.Unverified) as error:
            raise Unusable(f"the state in {self.path} cannot be read: {error}") from None

    def write(self, note: str) -> None:
        """Store it so that, whatever happens, the file holds the one or the other whole. Raises: Unusable."""
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            with contextlib.suppress(FileNotFoundError):  # of one that was killed
                new.unlink()
            _write_private(new, note)
            new.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise Unusable(f"the state in {self.path} cannot be written: {error.strerror}") from None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other witness from this state: two could sign what neither of them has seen to go on.

        Raises: Unusable.
        """
        lock = self.path.with_name(f"{self.path.name}.lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unusable(f"{lock} cannot be made: {error.strerror}") from None
        try:
            _lock(descriptor, self.path)
            yield
        finally:
            os.close(descriptor)


def make_key(path: Path, name: str) -> VerifierKey:
    """Make a witness's key in a file that its account alone may read; returns the public half. Raises: Unusable."""
    key = CosigningKey(name=name, seed=os.urandom(KEY_BYTES))
    try:
        cosigning_key(key.secret_text())
    except (offline.Unverified, UnicodeEncodeError):
        raise Unusable("a witness's name has no spaces, no + and at least one character") from None
    if len(name) > LONGEST_NAME:
        raise Unusable(f"a witness's name has at most {LONGEST_NAME} characters")
    try:
        _write_private(path, f"{key.secret_text()}\n")
        _sync_folder(path.parent)
    except OSError as error:
        raise Unusable(f"{path} cannot be made: {error.strerror}") from None
    return key.verifier


def read_key(path: Path) -> CosigningKey:
    """A witness's key from its file. Raises: Unusable."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Unusable(f"others may read {path}: chmod 600 {path}")
        return cosigning_key(path.read_bytes().decode().strip())
    except (OSError, UnicodeDecodeError, offline.Unverified) as error:
        raise Unusable(f"the key in {path} cannot be read: {error}") from None


def pinned(log_keys: Sequence[str]) -> offline.Pinned:
    """The keys of the log that are trusted. Raises: Unusable."""
    try:
        found = offline.Pinned(log_keys)
    except offline.Unverified as error:
        raise Unusable(str(error)) from None
    if not found.keys:
        raise Unusable("a fingerprint is not enough: a checkpoint does not carry its key")
    return found


def _epoch(origin: str) -> tuple[str, int]:
    """A log's own name, and which epoch of it this is the name of."""
    found = re.fullmatch(r"(.+)/epoch-([1-9][0-9]{0,8})", origin)
    return (found[1], int(found[2])) if found and found[2] != "1" else (origin, 1)


def _hands_over(proven: Mapping[str, object], note: Note, last: Note) -> bool:
    """Whether the first entry of the log is a hand-over from a checkpoint, and the log that of its name."""
    try:
        entry = offline.table(proven, "entry")
        leaf = offline.leaf_hash(offline.canonical(entry))
        details = offline.table(entry, "details")
        notes, *_ = (offline.sequence(details, name) for name in ("checkpoints", "missing", "kept"))
        is_ours = entry.get("action") == "log.handed_over" and offline.table(entry, "target").get("id") == note.origin
    except (offline.Unverified, RecursionError):
        return False
    is_first = offline.root_of_inclusion(leaf, 0, note.size, _hashes(proven)) == note.root
    # What it states; who signed it beside us does not matter.
    return is_first and is_ours and last.text in [_text_of(str(one)) for one in notes]


def _text_of(note: str) -> str:
    return note.partition("\n\n")[0] + "\n"


def _hashes(proven: Mapping[str, object]) -> list[bytes]:
    try:
        return [offline.decoded(part, "the proof") for part in offline.sequence(proven, "hashes")]
    except offline.Unverified as error:
        raise LogRefused(f"the log does not show how it went on: {error}") from None


def _document(body: bytes) -> Mapping[str, object]:
    try:
        return offline.parsed(body, "the log's answer")
    except offline.Unverified as error:
        raise LogUnavailable(str(error)) from None


def _problem(answer: Answer) -> str:
    """What kind of problem an answer is, as a word of ours and nothing else that a stranger may write."""
    with contextlib.suppress(offline.Unverified):
        kind = str(offline.parsed(answer.body, "the log's answer").get("type")).rpartition("/")[2]
        return kind if re.fullmatch(r"[a-z-]{1,64}", kind) else ""
    return ""


def _written(note: Note) -> str:
    return f"{note.text}\n{''.join(made.line for made in note.signatures)}"


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unusable(f"another witness runs on {path}") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
