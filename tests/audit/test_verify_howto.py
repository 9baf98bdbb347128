"""Every command of the how-to for auditors prints what the page shows, where there is nothing but the one file."""

import base64
import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from dsar.models import SubjectRequest
from dsar.services import answer_due, carry_out, record_result
from dsar.terms import RequestKind
from identity_privacy.actors import Actor
from identity_privacy.audit import offline, services
from identity_privacy.audit.cosignature import CosigningKey
from identity_privacy.audit.management import export
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.models import System
from tests import cast as stage
from tests.audit.epochs import open_next_epoch
from tests.audit.witnessed import cosigned, newest
from tests.cast import Cast
from tests.dsar.world import again, reading, report, result_of, signed, task_of
from tests.factories import SERVICE, make_request

FILE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "verify-the-log.md"
PAGE = FILE.read_text(encoding="utf-8")
BLOCK = re.compile(
    r"(?<=```console\n)(?P<console>.*?)(?=```)|(?<=```python\n)(?P<python>.*?)(?=```)|^## .*?$",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n(?:(?!\$ ).*\n)*", re.MULTILINE)
# What differs each time: references, keys, hashes and signatures, and numbers.
VARIES = re.compile(r"LI-\w+|[\w+/-]{43,}=*|\d+")
WITNESS = CosigningKey(name="witness.example.com/privacy", seed=b"1" * 32)


class Auditor:
    """Somebody with a folder, the verifier and Python in it, and what the service sends when it is asked."""

    def __init__(self, folder: Path, programs: Path, cast: Cast) -> None:
        self.folder, self.programs, self.cast = folder, programs, cast
        self.printed: list[str] = []
        self.key, self.request = log_key(), erased(cast)
        (folder / "offline.py").write_bytes(Path(offline.__file__).read_bytes())
        (folder / "certificate.json").write_text(certificate_of(self.request))
        # Python as it is installed here, which sees nothing of ours by -I; and what `curl` would fetch.
        self._program("python", f'exec {sys.executable} -I "$@"')
        self._program("curl", f"cat {programs}/answer")

    def reads(self, page: str) -> str:
        """Do what a page says, from its beginning to its end; returns the page with what was printed."""
        return BLOCK.sub(self._reads_block, page)

    def _reads_block(self, block: re.Match[str]) -> str:
        if block["console"]:
            return COMMAND.sub(lambda found: f"$ {found[1]}\n{self.runs(found[1])}", block[0])
        if block["python"]:
            self.printed.append(self._shell(f"python -c {shlex.quote(block[0])}"))
        elif happens := HAPPENS.get(block[0]):
            happens(self)
        return block[0]

    def runs(self, command: str) -> str:
        """What a command prints."""
        for placeholder, value in self._meant().items():
            command = re.sub(rf"\b{placeholder}\b", lambda _, value=value: value, command)  # type: ignore[misc]
        if command.startswith("manage.py "):
            out = io.StringIO()
            call_command(*shlex.split(command)[1:], stdout=out)
            return out.getvalue()
        if asked := re.search(r"https://privacy\.example\.com(/[^\s']*)", command):
            (self.programs / "answer").write_bytes(Client().get(asked[1]).content)
        return self._shell(command)

    def _shell(self, command: str) -> str:
        path = {"PATH": f"{self.programs}:/usr/bin:/bin"}
        ran = subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, env=path, cwd=self.folder
        )
        assert (ran.stderr, ran.returncode) == ("", int("FAILED" in ran.stdout)), command
        return ran.stdout

    def _meant(self) -> Mapping[str, str]:
        """What the page's placeholders stand for by now."""
        size = {name: path.read_text().splitlines()[1] for name, path in self._checkpoints().items() if path.exists()}
        return {
            "KEY": self.key,
            "NEW_KEY": log_key(),
            "FINGERPRINT": hashlib.sha256(base64.b64decode(self.key)).hexdigest(),
            "CERTIFICATE_KEY": log_key(SigningUse.CERTIFICATE),
            "WITNESS": str(WITNESS.verifier),
            "REQUEST": str(self.request.id),
            **size,
        }

    def _checkpoints(self) -> Mapping[str, Path]:
        return {"OLD": self.folder / "kept", "NEW": self.folder / "log-2027" / "checkpoint"}

    def _program(self, name: str, does: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o700)


def witnessed(_: Auditor) -> None:
    services.accept_cosignature(note=cosigned(newest(), WITNESS))


def downloaded(auditor: Auditor) -> None:
    lindwerk = auditor.cast.lindwerk.id
    lines = services.export_entries(
        actor=SERVICE,
        entries=Entry.objects.filter(controller_id=lindwerk, action="system.registered"),
        controllers=[lindwerk],
        by=["action"],
        subject_id=None,
    )
    (auditor.folder / "audit-entries.jsonl").write_bytes(b"".join(lines))


def rotated(_: Auditor) -> None:
    services.rotate_checkpoint_key(actor=Actor.service("keys"), overlap=timedelta(0))


def restored(auditor: Auditor) -> None:
    (auditor.folder / "newest").write_text(open_next_epoch())


# What happens at the service before a section.
HAPPENS: Mapping[str, Callable[[Auditor], None]] = {
    "## 3. The whole log": witnessed,
    "## 4. Some entries": downloaded,
    "## 9. When the key was changed": rotated,
    "## 10. After a restore": restored,
}


def log_key(use: SigningUse = SigningUse.CHECKPOINT) -> str:
    return base64.b64encode(current_public_key(use).public_key).decode()


def erased(cast: Cast) -> SubjectRequest:
    """An erasure that was answered, by the shop with a signature of its own."""
    private = webhooks.new_private_key()
    System.objects.filter(id=cast.shop.id).update(public_key=webhooks.public_half(private))
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    carry_out(request_id=request.id)
    body = result_of(task_of(request, "shop"), counts={"orders": 3})
    record_result(task_id=task_of(request, "shop").id, headers=signed(body, private_key=private), body=body)
    report(task_of(request, "mailer"), "kept", reason="Proof of consent, Art. 7(1)")
    answer_due()
    return again(request)


def certificate_of(request: SubjectRequest) -> str:
    with reading(request.subject_id):
        return json.dumps(request.certificate)


@pytest.fixture
def auditor(
    db: None, settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Auditor:
    settings.AUDIT_LOG_ORIGIN = "privacy.example.com/log"
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]
    folder = tmp_path_factory.mktemp("auditor")
    monkeypatch.chdir(folder)  # where the operator, too, puts what they export
    return Auditor(folder, tmp_path_factory.mktemp("programs"), stage.enter())


def section(number: int) -> str:
    return PAGE.partition(f"\n## {number}. ")[2].partition("\n## ")[0]


def test_every_command_prints_what_the_page_shows(auditor: Auditor) -> None:
    assert VARIES.sub("…", auditor.reads(PAGE)) == VARIES.sub("…", PAGE)
    of_one_leaf, of_the_log = auditor.printed
    first = (auditor.folder / "log-2027" / "log.jsonl").read_bytes().partition(b"\n")[0]
    assert base64.b64decode(of_one_leaf) == offline.leaf_hash(first)
    made, stated = of_the_log.splitlines()
    assert made == stated


def test_every_option_of_the_export_is_shown_and_no_other() -> None:
    parser = ArgumentParser(add_help=False)
    export.add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    assert set(re.findall(r"^\| `(--[a-z]+)", section(2), re.MULTILINE)) == options


def test_what_the_verifier_is_quoted_with_it_says() -> None:
    source = Path(offline.__file__).read_text()
    cells = re.findall(r"^\| (`.*?) \| ", section(7), re.MULTILINE)
    quoted = [text for cell in cells for text in re.findall(r"`(.*?)`", cell) if text != "FAILED"]
    assert len(quoted) > 15
    assert [text for text in quoted if text not in source] == []
