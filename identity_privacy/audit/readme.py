"""What lies beside an exported log, for a person who has never seen this service."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from django.conf import settings

from identity_privacy import clock
from identity_privacy.audit.checkpoints import log_name, signed_by
from identity_privacy.audit.exporting import Part, Selection

_TEXT: Final = """\
The audit log {name}, exported on {day} UTC.

{contents}

To verify it you need Python 3.9 or newer with the package cryptography, and
the public key that signs the log's checkpoints. TAKE THE KEY FROM SOMEWHERE
ELSE THAN THIS FOLDER: from a letter, by telephone, or on a day of your choice
from {url}/.well-known/jwks.json
where "signs" is "checkpoint". It should be

{keys}

Then run, in this folder, with that key or its fingerprint for KEY (of several,
each for its own number):

{commands}

The last line must be `verified`, each time. To trust nothing from here, take
offline.py from the project itself. What is proven so, and what is not, stands
in docs/howto/verify-the-log.md of the project.
"""
_HANDED_OVER: Final = """
The log was opened anew, under a name with /epoch-N behind it, after it had
been restored from a backup. The first entry of the newer log, log.handed_over,
holds the checkpoints from which it goes on, and names the entries that are
missing. If you kept a checkpoint from before, see whether it goes on from it:

    python offline.py log log.jsonl checkpoint --log-key KEY --previous YOURS
"""
_CHOSEN: Final = """
These entries were chosen by whom or what they are about. Each stands in the
log; that no other about the same does, only the whole log can show.
"""


def readme(parts: Sequence[Part], selection: Selection) -> str:
    """The file README.txt: what is here, and how to verify it with a key from somewhere else."""
    keys = dict.fromkeys(signed_by(part.checkpoint).public_key for part in parts)
    # Each of them, where the key was changed between two epochs.
    given = " ".join(["--log-key KEY"] if len(keys) == 1 else [f"--log-key KEY{at}" for at in range(1, len(keys) + 1)])
    commands = [command for part in parts for command in _commands(part, selection)]
    text = _TEXT.format(
        name=log_name(1),
        day=f"{clock.now():%d %B %Y, %H:%M}",
        url=settings.PUBLIC_URL,
        contents="\n".join(_content(part, selection) for part in parts),
        keys="\n".join(f"    {line}" for key in keys for line in _known_as(key)),
        commands="\n".join(f"    python offline.py {command} {given}" for command in commands),
    )
    if selection.names_entries and selection.is_of_entries:
        text += _CHOSEN
    is_opened_anew = parts[0].checkpoint.epoch > 1 and not selection.is_of_entries
    return text + _HANDED_OVER if is_opened_anew else text


def _known_as(key: bytes) -> tuple[str, str]:
    return base64.b64encode(key).decode(), f"sha256:{hashlib.sha256(key).hexdigest()}"


def _content(part: Part, selection: Selection) -> str:
    name = log_name(part.checkpoint.epoch)
    if selection.is_of_entries:
        since = f" behind the first {part.older.size}" if part.older else ""
        what = f"{part.count} entries{since}, each with the proof that it stands in"
    else:
        hashes = part.count - part.in_full
        what = f"all {part.count} entries{f' ({hashes} of them as hashes alone)' if hashes else ''} of"
    return f"{part.folder or 'Here'}: {what} {name}, at a size of {part.checkpoint.size}"


def _commands(part: Part, selection: Selection) -> Iterator[str]:
    if not selection.is_of_entries:
        yield f"log {part.folder}log.jsonl {part.folder}checkpoint"
        return
    yield f"proofs {part.folder}proofs.jsonl {part.folder}checkpoint"
    if part.older:
        yield f"growth {part.folder}older-checkpoint {part.folder}checkpoint {part.folder}growth.json"
