"""`make demo` does the main job from an empty folder, says so only when it is so, and leaves nothing running."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from identity_privacy.audit import offline


def manage(command: str, folder: Path) -> subprocess.Popen[str]:
    # The settings of the tests are not the demonstration's.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "manage.py", command],
        env={**kept, "DEMO_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes_of(folder: Path) -> list[str]:
    """Every process that runs with this folder in its environment, whoever its parent is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (OSError, ProcessLookupError):
            continue
    return found


MAILBOX = re.compile(r"/[^\0]*demo-mail-\w+")


def environments_of(folder: Path) -> list[str]:
    """The environment of every process that runs with this folder in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_text(errors="replace")
        except (OSError, ProcessLookupError):
            continue
        if str(folder) in environment:
            found.append(environment)
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a whole demonstration left, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    process = manage("demo", folder)
    printed, _ = process.communicate(timeout=180)
    assert process.returncode == 0, printed
    assert processes_of(folder) == []
    return folder, printed


def test_it_shows_the_whole_job(played: tuple[Path, str]) -> None:
    _, printed = played
    for said in (
        "1000 people imported, 0 rows rejected",
        "the same file again: nothing new, 1000 known already",
        "3000 choices recorded for three uses",
        "accepted",
        "answered: done; says so again",
        "answered: done; checked by us",
        "2 e-mails told the two people",
        "none found",
        "were planted, in every encoding: all found",
        "what no living key opens in the copy is exactly what was the erased person's",
    ):
        assert said in printed


def test_what_it_hands_out_verifies_and_a_changed_copy_does_not(played: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = played
    _, key, _, log_key = (folder / "handed-out" / "pinned-keys.txt").read_text().split()
    certificates = sorted((folder / "handed-out").glob("*-certificate-*.json"))
    assert len(certificates) == 2
    for certificate in certificates:
        assert offline.report(offline.certificate_checks(certificate, [key], [log_key]), str) == 0
        document = json.loads(certificate.read_text())
        document["certificate"]["systems"][0]["outcome"] = "nothing_found"
        (tmp_path / "changed.json").write_text(json.dumps(document))
        assert offline.report(offline.certificate_checks(tmp_path / "changed.json", [key], [log_key]), str) == 1


def test_the_package_stays_sealed_until_it_is_opened(played: tuple[Path, str]) -> None:
    folder, _ = played
    [sealed] = (folder / "files" / "packages").iterdir()
    assert b"PK" not in sealed.read_bytes()[:64]
    opening = manage("demo_open", folder)
    printed, _ = opening.communicate(timeout=60)
    assert opening.returncode == 0, printed
    opened = folder.with_name("demo-opened")
    documents = [json.loads(path.read_text()) for path in opened.glob("*/data.json")]
    assert [source["system"] for source in documents[0]["sources"]] == [
        "Lindwerk",
        "Postbote",
        "Paketlauf",
        "Kassenwerk",
    ]


@pytest.mark.parametrize(
    "how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL], ids=lambda how: how.name
)
def test_it_cleans_up_however_it_is_ended_in_the_middle(tmp_path: Path, how: signal.Signals) -> None:
    folder = tmp_path / "demo"
    process = manage("demo", folder)
    until = time.monotonic() + 90
    while not any("celery" in command for command in processes_of(folder)):
        assert time.monotonic() < until
        time.sleep(0.1)
    [mailbox] = {found.group() for command in environments_of(folder) if (found := MAILBOX.search(command))}
    process.send_signal(how)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in printed
    while processes_of(folder):  # killed, it leaves the rest to its guard
        assert time.monotonic() < until + 60
        time.sleep(0.1)
    assert not Path(mailbox).exists()


def test_a_second_one_at_once_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    first = manage("demo", folder)
    until = time.monotonic() + 60
    while not (folder / "data.sqlite3").exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    second = manage("demo", folder)
    printed, _ = second.communicate(timeout=60)
    assert second.returncode != 0
    assert "is using" in printed
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
